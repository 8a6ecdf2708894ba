"""A language model that tells how its answers went."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from deployments.refinement.polish.edits import UnreadableAnswer
from deployments.refinement.polish.model import LanguageModel, Prompt
from deployments.signals import failure_label


class ModelObserver(Protocol):
    """Is told what a language model does. Must not raise."""

    def answered(self, outcome: str, took_s: float) -> None:
        """A question ended after some seconds: ``answered``, ``unreadable``, or the label of a failure."""
        ...

    def spent(self, prompt_tokens: int, answer_tokens: int) -> None:
        """So many tokens were used for an answer, as its server counts them."""
        ...


class Unobserved:
    """Implements ModelObserver for whoever does not want to know."""

    def answered(self, outcome: str, took_s: float) -> None:
        """See ModelObserver."""

    def spent(self, prompt_tokens: int, answer_tokens: int) -> None:
        """See ModelObserver."""


UNOBSERVED = Unobserved()


class MeasuredModel:
    """Implements LanguageModel over another one. An answer that came may still be none of use: the polish decides."""

    def __init__(
        self, model: LanguageModel, observer: ModelObserver, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._model = model
        self._observer = observer
        self._clock = clock

    async def complete(self, prompt: Prompt, *, max_tokens: int, timeout_s: float) -> str:
        """See LanguageModel."""
        asked_s, outcome = self._clock(), "answered"
        try:
            return await self._model.complete(prompt, max_tokens=max_tokens, timeout_s=timeout_s)
        except UnreadableAnswer:
            outcome = "unreadable"
            raise
        except BaseException as error:
            outcome = failure_label(error)
            raise
        finally:
            self._observer.answered(outcome, self._clock() - asked_s)
