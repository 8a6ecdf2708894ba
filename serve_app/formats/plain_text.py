"""The transcript as plain text."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from deployments.contracts import Segment
from deployments.text_joining import joined_sentences


def to_text(segments: Sequence[Segment]) -> str:
    """One paragraph per stretch of the same speaker, headed ``SPEAKER_00: `` where known; empty if nobody spoke."""
    spoken = [segment for segment in segments if segment.text.strip()]
    paragraphs = []
    for speaker, stretch in groupby(spoken, key=lambda segment: segment.speaker):
        text = joined_sentences(segment.text.strip() for segment in stretch)
        paragraphs.append(f"{speaker}: {text}" if speaker else text)
    return "".join(paragraph + "\n" for paragraph in paragraphs)


def to_word_list(segments: Sequence[Segment]) -> str:
    """One word per line with its times in seconds: ``start<TAB>end<TAB>[speaker<TAB>]word``."""
    lines = []
    for segment in segments:
        for word in segment.words:
            speaker = word.speaker or segment.speaker
            columns = [f"{word.start_s:.2f}", f"{word.end_s:.2f}", *([speaker] if speaker else []), word.text]
            lines.append("\t".join(columns) + "\n")
    return "".join(lines)
