"""Tells what the model repeats from what people repeat, by the time that it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

from deployments.contracts import Word

# People do say a word three times. What goes on for longer may be a loop of the model's, and is looked at.
_MOST_REPEATS_OF_ONE = 5
_MOST_REPEATS_OF_MANY = 2
_LONGEST_PERIOD_WORDS = 20
# The median over the words of a repetition: a pause, which may last for any time, belongs to one word. On phrases of
# real speech played three to six times 99 % took 0.05 s or more; what Moonshine wrote into noise and music took 0.02 s
# or less, because a frame is all that the audio has for a token that was not said.
_LEAST_S_PER_LETTER = 0.03

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class _Run:
    """Of a text, words[start:end], which are the first ``period`` of them over and over."""

    start: int
    period: int
    end: int

    @property
    def repeats(self) -> list[range]:
        """All but what was said first, by the indices of their words; the last may be part of a period."""
        return [
            range(at, min(at + self.period, self.end)) for at in range(self.start + self.period, self.end, self.period)
        ]


def said_once(texts: Sequence[str]) -> list[str]:
    """Without repetitions, whoever's they are."""
    return _without(texts, [repeat for run in _runs(texts) for repeat in run.repeats])


def is_loop(words: Sequence[Word], *, ended: bool, is_doubted: bool = False) -> bool:
    """Whether the model repeats itself: it did not come to an end, or most repetitions of a run take no time.

    Args:
        words: of one text, with their times.
        ended: the model ended the text; otherwise a limit did.
        is_doubted: the model itself finds the text unlikely: no repetition is believed.
    """
    return any(
        _is_cut_off(run, words, ended) or 2 * len(_invented(run, words, is_doubted)) > len(run.repeats)
        for run in _runs([word.text for word in words])
    )


def without_invented(words: Sequence[Word], *, ended: bool, is_doubted: bool = False) -> tuple[Word, ...]:
    """Leaves out the repetitions that take no time, and all of those that a limit ended; see is_loop."""
    left_out: list[range] = []
    for run in _runs([word.text for word in words]):
        is_cut_off = _is_cut_off(run, words, ended)
        left_out += [range(run.start + run.period, len(words))] if is_cut_off else _invented(run, words, is_doubted)
    return tuple(_without(words, left_out))


def _runs(texts: Sequence[str]) -> list[_Run]:
    """Where one word comes more than five times in a row, or two to twenty words more than twice."""
    folded = [text.strip(".,!?;:").casefold() for text in texts]
    runs, at = [], 0
    while at < len(folded):
        run = _run_from(folded, at)
        if run is not None:
            runs.append(run)
        at = at + 1 if run is None else run.end
    return runs


def _run_from(folded: Sequence[str], start: int) -> _Run | None:
    for period in range(1, min(_LONGEST_PERIOD_WORDS, (len(folded) - start) // 2) + 1):
        most_repeats = _MOST_REPEATS_OF_ONE if period == 1 else _MOST_REPEATS_OF_MANY
        end = start + period
        while end < len(folded) and folded[end] == folded[end - period]:
            end += 1
        if end - start >= period * (most_repeats + 1):
            return _Run(start, period, end)
    return None


def _is_cut_off(run: _Run, words: Sequence[Word], ended: bool) -> bool:
    # The limit may have cut the last word in two, which then is not that of the run.
    return not ended and run.end >= len(words) - 1


def _invented(run: _Run, words: Sequence[Word], is_doubted: bool) -> list[range]:
    return [
        repeat
        for repeat in run.repeats
        if is_doubted or median(_s_per_letter(words[at]) for at in repeat) < _LEAST_S_PER_LETTER
    ]


def _s_per_letter(word: Word) -> float:
    letters = sum(character.isalnum() for character in word.text)
    # What has no letters (♪) is not said at all.
    return (word.end_s - word.start_s) / letters if letters else 0.0


def _without(items: Sequence[Item], left_out: Sequence[range]) -> list[Item]:
    return [item for at, item in enumerate(items) if not any(at in span for span in left_out)]
