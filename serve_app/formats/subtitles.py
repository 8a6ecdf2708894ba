"""SubRip and WebVTT files, written by pysubs2."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pysubs2

from deployments.contracts import Segment
from serve_app.formats.cues import Cue, build_cues

# pysubs2 reads \N, \n and \h in a text as SubStation breaks, whichever format it writes. An invisible word joiner
# (U+2060) after the backslash keeps what was said as it is.
_WORD_JOINER = "\u2060"


def to_srt(segments: Sequence[Segment]) -> str:
    """SubRip text; where the speaker is known a cue begins with ``SPEAKER_00: ``.

    Raises:
        ValueError: a segment has text but no timed words.
    """
    return _write(segments, "srt", _srt_text)


def to_vtt(segments: Sequence[Segment]) -> str:
    """WebVTT text (W3C); where the speaker is known a cue's text is in its voice span ``<v SPEAKER_00>``.

    Raises:
        ValueError: a segment has text but no timed words.
    """
    return _write(segments, "vtt", _vtt_text)


def _write(segments: Sequence[Segment], format_name: str, cue_text: Callable[[Cue], str]) -> str:
    subtitles = pysubs2.SSAFile()
    for cue in build_cues(segments):
        text = cue_text(cue).replace("\\", "\\" + _WORD_JOINER).replace("\n", r"\N")
        subtitles.append(pysubs2.SSAEvent(start=cue.start_ms, end=cue.end_ms, text=text))
    # keep_ssa_tags: words are no styling, even if one should look like {\i1}.
    return subtitles.to_string(format_name, keep_ssa_tags=True)


def _srt_text(cue: Cue) -> str:
    text = "\n".join(cue.lines)
    return f"{cue.speaker}: {text}" if cue.speaker else text


def _vtt_text(cue: Cue) -> str:
    text = _escape("\n".join(cue.lines))
    return f"<v {_escape(cue.speaker)}>{text}" if cue.speaker else text


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
