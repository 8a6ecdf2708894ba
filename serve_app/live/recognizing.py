"""Recognises utterances in the stages that files go through, ahead of the files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from deployments.calls import Deadline, call, retried
from deployments.contracts import (
    SAMPLE_RATE_HZ,
    LanguageSpan,
    RecognitionTask,
    RecognizedSpan,
    Refined,
    RefinementContext,
    RefinementTask,
    TimeSpan,
    Vocabulary,
    WarningCode,
    Waveform,
    Word,
)
from deployments.tracing import inner_span, untraced
from serve_app.assembly import segments_of
from serve_app.code_switching import code_switch_warning
from serve_app.identification import labelled, main_language
from serve_app.live.hearing import Excerpt, Heard
from serve_app.live.spoken_languages import SpokenLanguages
from serve_app.live.voicing import with_voice
from serve_app.pipeline import StageHandles

# Text of a running utterance that comes later than this is behind what is being said.
_PARTIAL_TIMEOUT_S = 3.0
# Identification on less speech is little better than a guess, which would stick to the partial texts that follow.
_IDENTIFIABLE_S = 3.0


@dataclass(frozen=True, slots=True)
class HearingTask:
    """How a session is to be recognised.

    Attributes:
        languages: the candidates; never empty.
        punctuate: see RefinementTask.
        vocabulary: see RefinementTask.
        timeout_s: time in which an utterance must be recognised.
        voices: whether finals come with the voice that speaks.
        numerals: see RefinementTask; partial texts change less without.
        hints: see RecognitionTask.
        context: what finals are refined with by rules, where no language model polishes them afterwards.
    """

    languages: tuple[str, ...]
    punctuate: bool
    vocabulary: Vocabulary
    timeout_s: float
    voices: bool = False
    numerals: bool = False
    hints: tuple[str, ...] = ()
    context: RefinementContext | None = None


class StageHearing:
    """Implements Hearing over the stage handles. An utterance is small: it travels with the calls."""

    def __init__(self, stages: StageHandles, task: HearingTask) -> None:
        self._stages = stages
        self._task = task
        self._refinement = RefinementTask(task.punctuate, task.vocabulary)
        self._spoken = SpokenLanguages()

    async def __call__(self, excerpt: Excerpt, *, is_partial: bool) -> Heard:
        """See Hearing. Finals are tried again when a replica dies under them; a partial is soon followed by another."""
        if is_partial:
            # About one in each second of speech: they would bury the rest of a session's trace.
            with untraced():
                return await self._hear(excerpt, Deadline(_PARTIAL_TIMEOUT_S), is_partial=True)
        with inner_span("utterance", audio_s=len(excerpt.samples) / SAMPLE_RATE_HZ):
            return await self._final(excerpt)

    async def _final(self, excerpt: Excerpt) -> Heard:
        deadline = Deadline(self._task.timeout_s)
        hearing = retried(lambda: self._hear(excerpt, deadline, is_partial=False))
        if not self._task.voices:
            return await hearing
        return await with_voice(hearing, self._stages, excerpt, self._task.timeout_s)

    async def _hear(self, excerpt: Excerpt, deadline: Deadline, *, is_partial: bool) -> Heard:
        waveform = Waveform(excerpt.samples)
        labels = await self._labelled(waveform, excerpt, deadline, is_partial=is_partial)
        recognition = RecognitionTask(deadline.remaining_s(), live=True, partial=is_partial, hints=self._task.hints)
        spans: tuple[RecognizedSpan, ...] = await call(
            self._stages.recognizer.recognize, waveform, labels, recognition, deadline=deadline
        )
        segments = segments_of([span for span in spans if not _is_degenerate(span)], ())
        if segments:
            refinement = self._refinement
            if not is_partial:
                refinement = replace(refinement, numerals=self._task.numerals, context=self._task.context)
            refined: Refined = await call(self._stages.refiner.refine, segments, refinement, deadline=deadline)
            segments = refined.segments
        words = [word for segment in segments for word in segment.words]
        language = main_language([(label.language, label.span.duration_s) for label in labels])
        switched = None if is_partial else code_switch_warning(segments)
        return Heard(_in_stream(words, excerpt), language, warnings=() if switched is None else (switched,))

    async def _labelled(
        self, waveform: Waveform, excerpt: Excerpt, deadline: Deadline, *, is_partial: bool
    ) -> tuple[LanguageSpan, ...]:
        """The languages of an utterance's regions; the only candidate needs no model.

        A final is identified. A partial is once there is enough of the utterance; until then it is taken to be in
        the language of the utterance before, where there was one.
        """
        before = self._spoken.before(excerpt.start_s)
        is_identifiable = excerpt.speech_s >= _IDENTIFIABLE_S
        if is_partial:
            known = self._spoken.of(excerpt.start_s)
            if known is None and before is not None and not is_identifiable:
                known = before.language
            if known is not None:
                return tuple(LanguageSpan(region, known, 1.0) for region in excerpt.regions)
        labels = await labelled(
            self._stages.language_identifier,
            waveform,
            excerpt.regions,
            self._task.languages,
            None if before is None else _in_excerpt(before, excerpt),
            deadline,
        )
        if is_identifiable or not is_partial:
            end_s = excerpt.start_s + waveform.duration_s
            self._spoken.remember(replace(labels[-1], span=TimeSpan(excerpt.start_s, end_s)))
        return labels


def _in_excerpt(spoken: LanguageSpan, excerpt: Excerpt) -> LanguageSpan:
    """The same with times of the excerpt, before which it lies."""
    span = TimeSpan(spoken.span.start_s - excerpt.start_s, spoken.span.end_s - excerpt.start_s)
    return replace(spoken, span=span)


def _is_degenerate(span: RecognizedSpan) -> bool:
    """Nobody repeats himself like that: it was no speech."""
    return any(warning.code is WarningCode.DEGENERATE_OUTPUT_DROPPED for warning in span.warnings)


def _in_stream(words: Sequence[Word], excerpt: Excerpt) -> tuple[Word, ...]:
    """Words with times of the stream, each after the one before, inside the excerpt."""
    placed = []
    last_s, end_s = excerpt.start_s, excerpt.start_s + len(excerpt.samples) / SAMPLE_RATE_HZ
    for word in words:
        word_start_s = min(max(excerpt.start_s + word.start_s, last_s), end_s)
        last_s = min(max(excerpt.start_s + word.end_s, word_start_s), end_s)
        placed.append(replace(word, start_s=word_start_s, end_s=last_s))
    return tuple(placed)
