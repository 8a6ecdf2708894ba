"""A language model that tells how its answers went."""

from __future__ import annotations

import time
from collections.abc import Callable

from deployments.refinement.polish.edits import UnreadableAnswer
from deployments.refinement.polish.model import LanguageModel, Prompt
from deployments.signals import failure_label

AnswerObserver = Callable[[str, float], None]
"""Is told how each question ended, ``answered``, ``unreadable`` or a failure's label, and after how many seconds."""


def unobserved(_outcome: str, _took_s: float) -> None:
    """An AnswerObserver that does nothing."""


class MeasuredModel:
    """Implements LanguageModel over another one. An answer that came may still be none of use: the polish decides."""

    def __init__(
        self, model: LanguageModel, observe: AnswerObserver, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._model = model
        self._observe = observe
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
            self._observe(outcome, self._clock() - asked_s)

    async def close(self) -> None:
        """See LanguageModel."""
        await self._model.close()
