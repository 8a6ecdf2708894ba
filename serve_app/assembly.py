"""Recognised spans and speaker turns into the segments of a transcript. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from deployments.contracts import RecognizedSpan, Segment, SpeakerTurn, Word
from deployments.diarization.attribution import attribute_words
from deployments.refinement.punctuation import ends_sentence

# A pause this long ends a segment even in the middle of a sentence.
_PAUSE_S = 1.5
_LONGEST_SEGMENT_S = 30.0


def segments_of(spans: Sequence[RecognizedSpan], turns: Sequence[SpeakerTurn]) -> tuple[Segment, ...]:
    """Segments of one language and one speaker each, cut at sentence ends, pauses and changes.

    Words get speakers when there are turns.
    """
    segments: list[Segment] = []
    run: list[Word] = []
    language = ""
    for word, word_language in _labelled(spans, turns):
        if run and (word_language != language or _ends(run, word)):
            segments.append(_segment(run, language))
            run = []
        run.append(word)
        language = word_language
    if run:
        segments.append(_segment(run, language))
    return tuple(segments)


def _labelled(spans: Sequence[RecognizedSpan], turns: Sequence[SpeakerTurn]) -> list[tuple[Word, str]]:
    words = [word for span in spans for word in span.words]
    languages = [span.language for span in spans for _ in span.words]
    labelled = attribute_words(words, turns) if turns else words
    return list(zip(labelled, languages, strict=True))


def _ends(run: Sequence[Word], word: Word) -> bool:
    last = run[-1]
    return (
        word.speaker != last.speaker
        or ends_sentence(last.text)
        or word.start_s - last.end_s >= _PAUSE_S
        or word.end_s - run[0].start_s > _LONGEST_SEGMENT_S
    )


def _segment(words: Sequence[Word], language: str) -> Segment:
    return Segment(
        start_s=words[0].start_s,
        end_s=max(word.end_s for word in words),
        text=" ".join(word.text for word in words),
        language=language,
        words=tuple(words),
        speaker=words[0].speaker,
    )


def speaker_runs(segments: Sequence[Segment]) -> tuple[Segment, ...]:
    """Consecutive segments of one speaker joined: the turns of the conversation as text."""
    runs: list[Segment] = []
    for segment in segments:
        if runs and runs[-1].speaker == segment.speaker:
            last = runs[-1]
            runs[-1] = replace(
                last,
                end_s=max(last.end_s, segment.end_s),
                text=f"{last.text} {segment.text}",
                words=last.words + segment.words,
            )
        else:
            runs.append(segment)
    return tuple(runs)
