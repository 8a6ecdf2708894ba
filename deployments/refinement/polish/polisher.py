"""Polishes a transcript: passages to a model, its edits through the guard, within a budget of tokens and time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from deployments import service_log as log
from deployments.contracts import (
    NO_TERMS,
    Refined,
    RefinementContext,
    Segment,
    TranscriptionWarning,
    Vocabulary,
    WarningCode,
)
from deployments.errors import RayscribeError
from deployments.refinement.polish.application import edited
from deployments.refinement.polish.context_words import ContextWords, context_words
from deployments.refinement.polish.edits import UnreadableAnswer, read_edits
from deployments.refinement.polish.guard import Guard, Verdict
from deployments.refinement.polish.model import LanguageModel, Prompt
from deployments.refinement.polish.passages import Passage, doubtful_words, passages_of
from deployments.refinement.polish.prompt import estimated_tokens, prompt_of
from deployments.refinement.recent import Recent
from deployments.signals import failure_label

_ANSWER_TOKENS = 400
# Words of contexts that are kept, some 20 MiB: a session comes with the same ones for each of its finals.
_MOST_KNOWN_WORDS = 100_000

_REJECTED = TranscriptionWarning(
    WarningCode.LLM_REFINEMENT_REJECTED,
    "Changes that the language model proposed were not safe: the text stays as it was recognised there",
)
_UNAVAILABLE = TranscriptionWarning(
    WarningCode.LLM_REFINEMENT_UNAVAILABLE,
    "The language model failed, or did not answer in time: text stays as it was recognised",
)
_OVER_BUDGET = TranscriptionWarning(
    WarningCode.LLM_REFINEMENT_UNAVAILABLE,
    "The recording is longer than the language model may read: a part of the text stays as it was recognised",
)


@dataclass(frozen=True, slots=True)
class PolishLimits:
    """See LanguageModelOptions."""

    timeout_s: float
    max_tokens: int
    max_edit_rate: float


@dataclass(frozen=True, slots=True)
class _Question:
    """A passage, its words in doubt, and its place among the passages."""

    place: int
    passage: Passage
    prompt: Prompt
    doubts: frozenset[int]

    @property
    def tokens(self) -> int:
        return estimated_tokens(self.prompt) + _ANSWER_TOKENS

    def about(self, warning: TranscriptionWarning, words: Iterable[int] | None = None) -> TranscriptionWarning:
        """The warning with the segments of words, by default of those in doubt: the others would not change anyway."""
        about = self.doubts if words is None else words
        return replace(warning, segments=tuple(sorted({self.passage.segment_of(word) for word in about})))


@dataclass(frozen=True, slots=True)
class _Told:
    """What a caller tells, made ready; ``terms`` are those of the context and the vocabulary, each once."""

    known: ContextWords
    terms: tuple[str, ...]

    @property
    def size(self) -> int:
        """In words."""
        return len(self.known.terms) + len(self.known.mentioned)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What became of a passage; ``is_usable`` is whether the model's answer could be read."""

    segments: tuple[Segment, ...]
    is_usable: bool
    warning: TranscriptionWarning | None = None


class Polisher:
    """Polishes transcripts with one model. Never fails one: what cannot be polished stays, and a warning says so."""

    def __init__(self, model: LanguageModel, limits: PolishLimits) -> None:
        self._model = model
        self._limits = limits
        self._told = Recent(_prepared, lambda told: told.size, _MOST_KNOWN_WORDS)

    async def polish(
        self,
        segments: Sequence[Segment],
        context: RefinementContext,
        vocabulary: Vocabulary = NO_TERMS,
        timeout_s: float = float("inf"),
    ) -> Refined:
        """Segments with the same times, in which misheard words may be others.

        Args:
            segments: after all rules; their marks and capitals stay.
            context: what the caller tells.
            vocabulary: the caller's terms; words that are theirs already are left alone.
            timeout_s: what the caller has left.
        """
        passages = passages_of(segments)
        # Of ten thousand terms it takes half a second of a core, of two hours of speech a second.
        told = await asyncio.to_thread(self._told, (context, vocabulary))
        questions = await asyncio.to_thread(_questions, passages, told, context)
        chosen = _within_budget(questions, self._limits.max_tokens)
        guard = Guard(told.known, self._limits.max_edit_rate)
        answers = await self._answers(chosen, guard, min(timeout_s, self._limits.timeout_s))
        warnings = [answer.warning for answer in answers.values() if answer.warning is not None]
        warnings += [question.about(_OVER_BUDGET) for question in questions if question.place not in answers]
        parts = (
            answers[place].segments if place in answers else passage.segments for place, passage in enumerate(passages)
        )
        return Refined(
            tuple(segment for part in parts for segment in part),
            _each_once(warnings),
            polished=any(answer.is_usable for answer in answers.values()),
        )

    async def _answers(self, questions: Sequence[_Question], guard: Guard, timeout_s: float) -> dict[int, _Answer]:
        tasks = {
            question.place: (question, asyncio.create_task(self._answered(question, guard, timeout_s)))
            for question in questions
        }
        if not tasks:
            return {}
        running = [task for _, task in tasks.values()]
        try:
            await asyncio.wait(running, timeout=timeout_s)
        finally:
            late = [task for task in running if not task.done()]
            for task in late:
                task.cancel()
            if late:
                log.warning("language model did not answer", passages=len(late), failure="late")
            await asyncio.gather(*late, return_exceptions=True)
        return {
            place: _unpolished(question, _UNAVAILABLE) if task.cancelled() else task.result()
            for place, (question, task) in tasks.items()
        }

    async def _answered(self, question: _Question, guard: Guard, timeout_s: float) -> _Answer:
        try:
            answer = await self._model.complete(question.prompt, max_tokens=_ANSWER_TOKENS, timeout_s=timeout_s)
            verdict = guard.judged(question.passage, read_edits(answer))
        except UnreadableAnswer as error:
            log.info("answer of a language model cannot be used", reason=str(error))
            return _unpolished(question, _REJECTED)
        except RayscribeError as error:
            log.warning("language model did not answer", failure=failure_label(error))
            return _unpolished(question, _UNAVAILABLE)
        except Exception as error:
            log.error("language model failed", error)
            return _unpolished(question, _UNAVAILABLE)
        if verdict.refused:
            log.info("edits of a language model refused", reasons=", ".join(map(str, verdict.reasons)))
        segments = edited(question.passage, verdict.accepted)
        return _Answer(segments, is_usable=True, warning=_refusal(question, verdict))


def _unpolished(question: _Question, warning: TranscriptionWarning) -> _Answer:
    return _Answer(question.passage.segments, is_usable=False, warning=question.about(warning))


def _refusal(question: _Question, verdict: Verdict) -> TranscriptionWarning | None:
    """What is told of refused edits: an edit of words that there are not is about no segment."""
    if not verdict.refused:
        return None
    length = len(question.passage.words)
    return question.about(_REJECTED, [each.edit.first for each in verdict.refused if each.edit.first < length])


def _each_once(warnings: Iterable[TranscriptionWarning]) -> tuple[TranscriptionWarning, ...]:
    """Warnings that differ only in what they are about are one."""
    about: dict[TranscriptionWarning, set[int]] = {}
    for warning in warnings:
        about.setdefault(replace(warning, segments=()), set()).update(warning.segments)
    return tuple(replace(warning, segments=tuple(sorted(segments))) for warning, segments in about.items())


def _prepared(given: tuple[RefinementContext, Vocabulary]) -> _Told:
    context, vocabulary = given
    texts = [term.text for term in vocabulary.terms]
    return _Told(context_words(context, texts), tuple(dict.fromkeys((*context.terms, *texts))))


def _questions(passages: Sequence[Passage], told: _Told, context: RefinementContext) -> list[_Question]:
    """Passages without a word in doubt are not asked about."""
    doubts = [doubtful_words(passage, told.known) for passage in passages]
    return [
        _Question(place, passage, prompt_of(passage, doubtful, context, told.terms), doubtful)
        for place, (passage, doubtful) in enumerate(zip(passages, doubts, strict=True))
        if doubtful
    ]


def _within_budget(questions: Sequence[_Question], max_tokens: int) -> list[_Question]:
    """The most doubtful passages first, as long as there are tokens for them."""
    chosen, left = [], max_tokens
    for question in sorted(questions, key=lambda question: -len(question.doubts)):
        if question.tokens > left:
            break
        left -= question.tokens
        chosen.append(question)
    return chosen
