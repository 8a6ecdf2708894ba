"""Which texts are not to be believed, and what is done about them: decode again, a little more at random.

Radford et al. 2022, section 4.5.
"""

from __future__ import annotations

import zlib
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from deployments.contracts import Word
from deployments.recognition.degenerate import is_loop, said_once
from deployments.recognition.spelling import TokenizedWord
from deployments.recognition.whisper.search import Decoded
from deployments.recognition.whisper.settings import GuardSettings


class Verdict(IntEnum):
    """On one text; a higher one is better."""

    LOOP = 0
    """It repeats itself."""
    UNSURE = 1
    """The model itself finds it unlikely."""
    SILENCE = 2
    """The model finds it unlikely and thinks that nobody speaks: there is no text."""
    ACCEPTED = 3

    @property
    def is_final(self) -> bool:
        """Another attempt would not help."""
        return self >= Verdict.SILENCE


def judge(
    decoded: Decoded, words: Sequence[str], settings: GuardSettings, *, repeats_are_said: bool = False
) -> Verdict:
    """Whether to believe a text; the words are those of its tokens. Repeated words are a loop, unless they are said."""
    is_unsure = decoded.mean_log_probability < settings.lowest_mean_log_probability
    if is_unsure and decoded.no_speech_probability > settings.highest_no_speech_probability:
        return Verdict.SILENCE
    once = said_once(words)
    if (len(once) < len(words) and not repeats_are_said) or _is_compressible(once, settings):
        return Verdict.LOOP
    return Verdict.UNSURE if is_unsure else Verdict.ACCEPTED


def compressible_from(words: Sequence[str], settings: GuardSettings) -> int | None:
    """Index of the first word to leave out of a text that repeats itself in other ways than by words; None if it does
    not."""
    if not _is_compressible(said_once(words), settings):
        return None
    return bisect_right(
        range(len(words)),
        settings.highest_compression_ratio,
        key=lambda last: compression_ratio(" ".join(words[: last + 1])),
    )


def _is_compressible(words: Sequence[str], settings: GuardSettings) -> bool:
    return compression_ratio(" ".join(words)) > settings.highest_compression_ratio


def compression_ratio(text: str) -> float:
    """How much shorter zlib makes the text, each of its different characters being one byte.

    The reference compresses UTF-8, where a letter of an Indian or Thai script has three bytes, two of them always the
    same: an ordinary Hindi paragraph reaches 2.48 that way, and 1.47 this way; English has 1.6 either way.
    """
    if not text:
        return 0.0
    numbers = {character: number for number, character in enumerate(dict.fromkeys(text))}
    symbols = bytes(numbers[character] % 256 for character in text)
    return len(symbols) / len(zlib.compress(symbols))


@dataclass(frozen=True, slots=True, eq=False)
class Attempt:
    """A text and what is thought of it."""

    decoded: Decoded
    words: Sequence[TokenizedWord]
    verdict: Verdict

    @property
    def rank(self) -> tuple[Verdict, float]:
        """Of two attempts the one with the higher rank is kept."""
        return self.verdict, self.decoded.mean_log_probability


Timed = Callable[[Sequence[int]], Sequence[Sequence[Word]]]
"""Rows of a batch to their words, with the times at which they were said."""


def spared(attempts: Sequence[Attempt], timed: Timed, settings: GuardSettings) -> list[Attempt]:
    """Takes back that a text is a loop where somebody repeats himself: the words have the time that it takes."""
    loops = [row for row, attempt in enumerate(attempts) if attempt.verdict is Verdict.LOOP]
    judged = list(attempts)
    for row, words in zip(loops, timed(loops) if loops else (), strict=True):
        decoded = attempts[row].decoded
        if not is_loop(words, ended=decoded.ended):
            verdict = judge(decoded, [word.text for word in words], settings, repeats_are_said=True)
            judged[row] = replace(attempts[row], verdict=verdict)
    return judged


Decode = Callable[[Sequence[int], float], Sequence[Attempt]]
"""Rows of a batch and a temperature to one attempt for each of the rows."""


def with_fallback(decode: Decode, may_retry: Sequence[bool], temperatures: Sequence[float]) -> list[Attempt]:
    """The best attempt at each row. Rows are tried again, by themselves, while their best is not final.

    Args:
        decode: see Decode.
        may_retry: for each row; the others are tried once.
        temperatures: the first for all rows, the others in turn for those that fail.
    """
    best: dict[int, Attempt] = {}
    rows = list(range(len(may_retry)))
    for temperature in temperatures:
        for row, attempt in zip(rows, decode(rows, temperature), strict=True):
            best[row] = max(best[row], attempt, key=lambda tried: tried.rank) if row in best else attempt
        rows = [row for row in rows if may_retry[row] and not best[row].verdict.is_final]
        if not rows:
            break
    return [best[row] for row in range(len(may_retry))]
