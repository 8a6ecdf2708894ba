"""What live sessions tell about themselves."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from deployments.signal_table import (
    LIVE_AUDIO,
    LIVE_ENDED,
    LIVE_FINAL,
    LIVE_SESSIONS,
    LIVE_UTTERANCES,
    WARNINGS,
)
from deployments.signals import Signals, failure_label
from serve_app.live.contracts import Final


class LiveSignals:
    """Of one process. Nothing is told for each message, or for partial texts."""

    def __init__(self, signals: Signals) -> None:
        self._signals = signals
        self._sessions = 0
        self._opened(0)

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """One more session is open for the time of the context."""
        self._opened(1)
        try:
            yield
        finally:
            self._opened(-1)

    def said(self, final: Final) -> None:
        """A final was said; of one that comes twice, the second time counts."""
        if not final.is_provisional:
            self._signals.count(LIVE_UTTERANCES, outcome=_outcome_of(final))
            for warning in final.warnings:
                self._signals.count(WARNINGS, origin="live", code=warning.code.value)

    def answered(self, latency_s: float) -> None:
        """A final was said so long after the last audio with speech came."""
        self._signals.observe(LIVE_FINAL, latency_s)

    def ended(self, audio_s: float, failure: Exception | None, *, has_settled: bool) -> str:
        """A session is over, and this is how: one without a failure that has not settled was left by its client."""
        outcome = "completed" if has_settled else "cancelled" if failure is None else failure_label(failure)
        self._signals.count(LIVE_ENDED, outcome=outcome)
        self._signals.count(LIVE_AUDIO, audio_s)
        return outcome

    def _opened(self, more: int) -> None:
        self._sessions += more
        self._signals.set(LIVE_SESSIONS, self._sessions)


def _outcome_of(final: Final) -> str:
    if final.failure is not None:
        return failure_label(final.failure)
    return "completed" if final.words else "no_words"
