"""Language models that answer from a script, and transcripts for them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from deployments.contracts import Segment, Word
from deployments.refinement.polish.model import Prompt


def doubtful_segment(text: str, language: str = "en", *, start_s: float = 0.0, boosted: str = "") -> Segment:
    """A word each second; a ? in one says that the recogniser was unsure of it."""
    words = tuple(
        Word(
            word.replace("?", ""),
            start_s + at,
            start_s + at + 0.8,
            0.4 if "?" in word else 0.95,
            boosted=word == boosted,
        )
        for at, word in enumerate(text.split())
    )
    return Segment(start_s, start_s + len(words), " ".join(word.text for word in words), language, words)


def edits_json(*edits: tuple[int, str, str]) -> str:
    """An answer with these edits: first word, old words, new words."""
    return json.dumps({"edits": [{"i": at, "old": old, "new": new} for at, old, new in edits]})


def listed_words(prompt: Prompt) -> list[str]:
    """The words of a prompt, each as ``index:word``."""
    words: str = json.loads(prompt.user)["words"]
    return words.split()


@dataclass
class ScriptedModel:
    """Implements LanguageModel: answers what the script says of the prompt, or raises it, after a delay."""

    script: Callable[[Prompt], str | Exception]
    delay_s: float = 0.0
    prompts: list[Prompt] = field(default_factory=list)
    cancelled: int = 0

    async def complete(self, prompt: Prompt, *, max_tokens: int, timeout_s: float) -> str:
        self.prompts.append(prompt)
        try:
            await asyncio.sleep(self.delay_s)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        answer = self.script(prompt)
        if isinstance(answer, Exception):
            raise answer
        return answer


def always(*edits: tuple[int, str, str]) -> ScriptedModel:
    """A model that answers every prompt with these edits."""
    return ScriptedModel(lambda _: edits_json(*edits))


def texts(segments: Sequence[Segment]) -> list[str]:
    """What the segments say."""
    return [segment.text for segment in segments]
