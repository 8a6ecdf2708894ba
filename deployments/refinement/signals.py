"""What the language model of a Refiner tells about itself."""

from __future__ import annotations

from deployments.signal_table import LLM_CALLS, LLM_TIME, LLM_TOKENS
from deployments.signals import Signals


class ModelSignals:
    """Implements ModelObserver."""

    def __init__(self, signals: Signals) -> None:
        self._signals = signals

    def answered(self, outcome: str, took_s: float) -> None:
        """See ModelObserver."""
        self._signals.count(LLM_CALLS, outcome=outcome)
        self._signals.observe(LLM_TIME, took_s)

    def spent(self, prompt_tokens: int, answer_tokens: int) -> None:
        """See ModelObserver."""
        self._signals.count(LLM_TOKENS, prompt_tokens, kind="prompt")
        self._signals.count(LLM_TOKENS, answer_tokens, kind="answer")
