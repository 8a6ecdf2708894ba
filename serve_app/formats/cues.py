"""Cut a run of timed words into subtitle cues.

A cue ends where a reader expects it: at the end of a sentence, at a pause, where the speaker changes. A sentence too
long for one cue is divided into as few cues as the limits allow, all of about the same length, and rather after a
comma than elsewhere. The limits are those of the Netflix Timed Text Style Guide (English): 42 characters a line, two
lines, 7 seconds at the most and 5/6 second at the least where the next cue leaves the room.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from deployments.contracts import Segment, Word
from deployments.text_joining import joined_words, separator

MAX_LINE_CHARS = 42
MAX_LINES = 2
MAX_CUE_MS = 7_000
MIN_CUE_MS = 833
MAX_PAUSE_MS = 800

_SENTENCE_END = re.compile(r"[.?!…。？！।॥؟۔።።။։][\"'”’»)\]」』）]*$")
_CLAUSE_END = re.compile(r"[,;:–—、，；：،؛][\"'”’»)\]」』）]*$")
# Worth about 20 characters of unevenness: a cue that ends at a comma reads better than one of exactly the mean length.
_CLAUSE_BONUS = 400


@dataclass(frozen=True, slots=True)
class Cue:
    """What is on the screen at once: one line of text or two, from start_ms until just before end_ms."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    speaker: str | None


@dataclass(frozen=True, slots=True)
class _TimedWord:
    text: str
    start_ms: int
    end_ms: int
    speaker: str | None


def build_cues(segments: Sequence[Segment]) -> tuple[Cue, ...]:
    """Cues for all words of the segments, in order of time and never overlapping.

    No cue passes the limits unless a single word does. Every cue lasts at least 1 ms, which WebVTT demands.

    Raises:
        ValueError: a segment has text but no timed words.
    """
    groups = [group for run in _runs(_timed_words(segments)) for group in _divide(run)]
    return tuple(_place(groups))


def _timed_words(segments: Sequence[Segment]) -> list[_TimedWord]:
    for segment in segments:
        if segment.text.strip() and not segment.words:
            raise ValueError(f"the segment at {segment.start_s:.3f} s has text but no timed words")
    words = [_timed_word(word, segment.speaker) for segment in segments for word in segment.words if word.text.strip()]
    return sorted(words, key=lambda word: word.start_ms)


def _timed_word(word: Word, segment_speaker: str | None) -> _TimedWord:
    start_ms = max(0, round(word.start_s * 1000))
    end_ms = max(start_ms, round(word.end_s * 1000))
    return _TimedWord(" ".join(word.text.split()), start_ms, end_ms, word.speaker or segment_speaker)


def _runs(words: Sequence[_TimedWord]) -> Iterator[list[_TimedWord]]:
    """Divide the words where a cue must end: sentence, pause, other speaker."""
    if not words:
        return
    run = [words[0]]
    for before, word in pairwise(words):
        pause = word.start_ms - before.end_ms > MAX_PAUSE_MS
        if pause or word.speaker != before.speaker or _SENTENCE_END.search(before.text):
            yield run
            run = []
        run.append(word)
    yield run


def _divide(run: Sequence[_TimedWord]) -> list[Sequence[_TimedWord]]:
    """Divide a run into the fewest cues that fit, of about equal length (shortest path over the word boundaries)."""
    # best[i]: (cues, unevenness, start of the last cue) for the first i words.
    best: list[tuple[int, int, int]] = [(0, 0, 0)]
    for end in range(1, len(run) + 1):
        choices = []
        for start in range(end - 1, -1, -1):
            piece = run[start:end]
            if len(piece) > 1 and not _fits(piece):
                break
            cues, unevenness, _ = best[start]
            choices.append((cues + 1, unevenness + _badness(piece, last=end == len(run)), start))
        best.append(min(choices))
    pieces: list[Sequence[_TimedWord]] = []
    end = len(run)
    while end > 0:
        start = best[end][2]
        pieces.append(run[start:end])
        end = start
    return pieces[::-1]


def _fits(piece: Sequence[_TimedWord]) -> bool:
    duration_ms = max(word.end_ms for word in piece) - piece[0].start_ms
    return duration_ms <= MAX_CUE_MS and len(_wrap([word.text for word in piece])) <= MAX_LINES


def _badness(piece: Sequence[_TimedWord], *, last: bool) -> int:
    # The sum of squares is least where all cues are equally long.
    chars = sum(len(word.text) + 1 for word in piece)
    return chars * chars - (_CLAUSE_BONUS if not last and _CLAUSE_END.search(piece[-1].text) else 0)


def _wrap(words: Sequence[str]) -> list[str]:
    """Fill lines greedily, which needs the fewest; a line is over the limit only if one word is."""
    lines = [words[0]]
    for word in words[1:]:
        longer = f"{lines[-1]}{separator(lines[-1], word)}{word}"
        if len(longer) <= MAX_LINE_CHARS:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _balanced_lines(words: Sequence[str]) -> tuple[str, ...]:
    """One line if the words fit on it, else two of about the same length."""
    if len(_wrap(words)) == 1:
        return (joined_words(words),)
    halves = [(joined_words(words[:cut]), joined_words(words[cut:])) for cut in range(1, len(words))]
    return min(halves, key=lambda lines: max(len(line) for line in lines))


def _place(groups: Sequence[Sequence[_TimedWord]]) -> Iterator[Cue]:
    """Give each group its time on the screen: cut where the next begins, stretched to be readable where it can be."""
    start_ms = 0
    for index, group in enumerate(groups):
        start_ms = max(start_ms, group[0].start_ms)
        end_ms = max(*(word.end_ms for word in group), start_ms + MIN_CUE_MS)
        if index + 1 < len(groups):
            end_ms = min(end_ms, groups[index + 1][0].start_ms)
        end_ms = max(end_ms, start_ms + 1)
        yield Cue(start_ms, end_ms, _balanced_lines([word.text for word in group]), group[0].speaker)
        start_ms = end_ms
