"""The utterance that is being spoken: its partial texts, and its final text tried out when it seems to be over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from deployments.contracts import SAMPLE_RATE_HZ, Word
from deployments.errors import ServiceUnavailable
from serve_app.live.hearing import Excerpt, Heard, Hearing
from serve_app.live.hypotheses import StablePrefix

Result = TypeVar("Result")

# Less is no word: it is a click that the detector took for an onset, or what a cut left over.
_SHORTEST_SPEECH_S = 0.1
# Fast speakers say five or six words a second. A recogniser that writes far more has filled noise with words.
_MOST_WORDS_PER_S = 12.0
# The first words are waited for most, and so little audio is cheap to recognise.
_FIRST_PARTIAL_S = 0.4


class Spawn(Protocol):
    """Starts a task that does not outlive the session."""

    def __call__(self, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """Start it."""
        ...


class RunningUtterance:
    """One recognition runs at a time: of a partial text, or the trial of the final one. Partials never queue up.

    Args:
        number: of the utterance in its session.
        start: its first sample in the stream.
        hear: recognises.
        spawn: starts tasks.
        interval_s: the shortest time from one partial text to the next; the first may come earlier.
        show: gets the words of each partial text, and how many of them are stable.
    """

    def __init__(
        self,
        number: int,
        start: int,
        *,
        hear: Hearing,
        spawn: Spawn,
        interval_s: float,
        show: Callable[[RunningUtterance, tuple[Word, ...], int], None],
    ) -> None:
        self.number = number
        self.start = start
        self._hear = hear
        self._spawn = spawn
        self._interval_s = interval_s
        self._show = show
        self._prefix = StablePrefix()
        self._heard_s = 0.0
        self._next_partial_s = _now_s() + min(interval_s, _FIRST_PARTIAL_S)
        self._partial: asyncio.Task[Any] | None = None
        self._trial: asyncio.Task[Heard] | None = None
        self._trial_samples = 0
        self._is_over = False

    @property
    def is_partial_due(self) -> bool:
        """Whether it is time for the next partial text, and nothing runs."""
        busy = any(task is not None and not task.done() for task in (self._partial, self._trial))
        return not busy and _now_s() >= self._next_partial_s

    def begin_partial(self, excerpt: Excerpt) -> None:
        """Recognise what there is so far."""
        self._partial = self._spawn(self._recognize_partial(excerpt))

    def begin_trial(self, excerpt: Excerpt) -> None:
        """Recognise what will have been the whole utterance if silence follows."""
        self._stop()
        self._trial = self._spawn(self._recognize_final(excerpt))
        self._trial_samples = len(excerpt.samples)

    def revoke_trial(self) -> None:
        """Speech followed. What is recognised already, or nearly so, still makes a partial text."""
        self._partial, self._trial = self._trial, None

    def finish(self, excerpt: Excerpt) -> asyncio.Task[Heard]:
        """The utterance is over: a trial of the same audio is its final text, or else its recognition begins now."""
        self._is_over = True
        trial = self._trial
        if trial is not None and self._trial_samples == len(excerpt.samples) and not _has_failed(trial):
            return trial
        self._stop()
        return self._spawn(self._recognize_final(excerpt))

    def forget(self) -> None:
        """Nobody wants it any more."""
        self._is_over = True
        self._stop()

    def _stop(self) -> None:
        for task in (self._partial, self._trial):
            if task is not None:
                task.cancel()

    async def _recognize_partial(self, excerpt: Excerpt) -> None:
        began_s = _now_s()
        self._next_partial_s = began_s + self._interval_s
        try:
            heard = await self._hear(excerpt, is_partial=True)
        except ServiceUnavailable:
            return
        # A session takes half of an engine at most: where recognition is slow, partial texts become rare.
        self._next_partial_s = max(self._next_partial_s, began_s + 2 * (_now_s() - began_s))
        self._take(heard, excerpt)

    async def _recognize_final(self, excerpt: Excerpt) -> Heard:
        if excerpt.speech_s < _SHORTEST_SPEECH_S:
            return Heard()
        heard = await self._hear(excerpt, is_partial=False)
        if len(heard.words) > max(1.0, _MOST_WORDS_PER_S * excerpt.speech_s):
            return Heard((), heard.language)
        self._take(heard, excerpt)
        return heard

    def _take(self, heard: Heard, excerpt: Excerpt) -> None:
        """Show a hypothesis, unless one of more audio has been shown."""
        duration_s = len(excerpt.samples) / SAMPLE_RATE_HZ
        if self._is_over or duration_s <= self._heard_s:
            return
        self._heard_s = duration_s
        words = self._prefix.add(heard.words)
        if words:
            self._show(self, words, len(self._prefix.stable))


def _has_failed(task: asyncio.Task[Heard]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


def _now_s() -> float:
    return asyncio.get_running_loop().time()
