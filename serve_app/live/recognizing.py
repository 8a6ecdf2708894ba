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
    RefinementTask,
    TimeSpan,
    VocabularyTerm,
    WarningCode,
    Waveform,
    Word,
)
from serve_app.assembly import segments_of
from serve_app.live.hearing import Excerpt, Heard
from serve_app.live.voicing import with_voice
from serve_app.pipeline import StageHandles

# Text of a running utterance that comes later than this is behind what is being said.
_PARTIAL_TIMEOUT_S = 3.0


@dataclass(frozen=True, slots=True)
class HearingTask:
    """How a session is to be recognised.

    Attributes:
        languages: the candidates; never empty.
        punctuate: see RefinementTask.
        vocabulary: see RefinementTask.
        timeout_s: time in which an utterance must be recognised.
        voices: whether finals come with the voice that speaks.
    """

    languages: tuple[str, ...]
    punctuate: bool
    vocabulary: tuple[VocabularyTerm, ...]
    timeout_s: float
    voices: bool = False


class StageHearing:
    """Implements Hearing over the stage handles. An utterance is small: it travels with the calls."""

    def __init__(self, stages: StageHandles, task: HearingTask) -> None:
        self._stages = stages
        self._task = task
        self._refinement = RefinementTask(task.punctuate, task.vocabulary)
        self._language = task.languages[0] if len(task.languages) == 1 else None

    async def __call__(self, excerpt: Excerpt, *, is_partial: bool) -> Heard:
        """See Hearing. Finals are tried again when a replica dies under them; a partial is soon followed by another."""
        if is_partial:
            return await self._hear(excerpt, Deadline(_PARTIAL_TIMEOUT_S), is_partial=True)
        deadline = Deadline(self._task.timeout_s)
        hearing = retried(lambda: self._hear(excerpt, deadline, is_partial=False))
        if not self._task.voices:
            return await hearing
        return await with_voice(hearing, self._stages, excerpt, self._task.timeout_s)

    async def _hear(self, excerpt: Excerpt, deadline: Deadline, *, is_partial: bool) -> Heard:
        waveform = Waveform(excerpt.samples)
        labelled = await self._labelled(waveform, excerpt.regions, deadline, is_partial=is_partial)
        recognition = RecognitionTask(deadline.remaining_s(), live=True, partial=is_partial)
        spans: tuple[RecognizedSpan, ...] = await call(
            self._stages.recognizer.recognize, waveform, labelled, recognition, deadline=deadline
        )
        segments = segments_of([span for span in spans if not _is_degenerate(span)], ())
        if segments:
            refined: Refined = await call(self._stages.refiner.refine, segments, self._refinement, deadline=deadline)
            segments = refined.segments
        words = [word for segment in segments for word in segment.words]
        return Heard(_in_stream(words, excerpt), labelled[0].language)

    async def _labelled(
        self, waveform: Waveform, regions: tuple[TimeSpan, ...], deadline: Deadline, *, is_partial: bool
    ) -> tuple[LanguageSpan, ...]:
        """The language of an utterance; the only candidate needs no model, and a partial takes the last one known."""
        known = self._language if is_partial or len(self._task.languages) == 1 else None
        if known is None:
            identified: tuple[LanguageSpan, ...] = await call(
                self._stages.language_identifier.identify, waveform, regions, self._task.languages, deadline=deadline
            )
            known = max(identified, key=lambda label: label.span.duration_s).language
            self._language = known
        return tuple(LanguageSpan(region, known, 1.0) for region in regions)


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
