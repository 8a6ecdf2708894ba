"""What the polish needs of a language model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the model is told it is for, and what it is to work on. Only the former is an instruction."""

    system: str
    user: str


class LanguageModel(Protocol):
    """A causal model that answers prompts. All calls belong to one event loop."""

    async def complete(self, prompt: Prompt, *, max_tokens: int, timeout_s: float) -> str:
        """The whole answer, as JSON of edits.ANSWER_SCHEMA as far as the model can be held to it.

        Args:
            prompt: see there.
            max_tokens: of the answer.
            timeout_s: after it nobody waits any more.

        Raises:
            UnreadableAnswer: the answer was cut off, or refused.
            DeadlineExceeded: no answer in time.
            ServiceUnavailable: no answer.
        """
        ...
