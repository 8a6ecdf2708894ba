"""One transcription, start to end, over the stage handles."""

from __future__ import annotations

import asyncio
import bisect
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from deployments.calls import Deadline, call, reference_to, retried, started
from deployments.contracts import (
    LanguageDetection,
    RecognitionTask,
    RecognizedSpan,
    Refined,
    RefinementTask,
    Segment,
    SpeakerTurn,
    SpeechMap,
    TimeSpan,
    Transcript,
    TranscriptionRequest,
    TranscriptionWarning,
    Usage,
    Vocabulary,
)
from deployments.signals import SILENT, Signals
from deployments.text_joining import joined_sentences
from deployments.tracing import annotate, inner_span
from serve_app.assembly import segments_of
from serve_app.capabilities import possible_languages, recogniser_hints
from serve_app.code_switching import code_switch_warning
from serve_app.identification import Labels, detection_of, labelled_in_turn, main_language
from serve_app.part_times import PartTimes
from serve_app.settings import Settings

Result = TypeVar("Result")

# A language model may have so much of the time that is left: the text as it is, is worth more than none.
_POLISH_SHARE = 0.5

SegmentSink = Callable[[tuple[Segment, ...]], Awaitable[None]]
"""Takes the next finished segments of a transcript."""


@dataclass(frozen=True, slots=True)
class StageHandles:
    """Handles of the stages: each attribute has the methods of its deployment, called by ``.method.remote()``."""

    decoder: Any
    speech_gate: Any
    language_identifier: Any
    recognizer: Any
    diarizer: Any
    refiner: Any
    recognizers: Mapping[str, Any] = field(default_factory=dict)
    """Further ones, by the name of their model."""

    def serving(self, model: str | None) -> StageHandles:
        """With the recogniser that a model's name asks for; see Settings.serving."""
        return self if model is None else replace(self, recognizer=self.recognizers.get(model, self.recognizer))


@dataclass(frozen=True, slots=True)
class _Opened:
    """A decoded recording: the waveform stays in the object store, this is a reference to it."""

    waveform: Any
    speech: SpeechMap


class Pipeline:
    """Runs requests through the graph. Shared by all requests of a process; holds no state of theirs."""

    def __init__(self, stages: StageHandles, settings: Settings, signals: Signals = SILENT) -> None:
        self._stages = stages
        self._settings = settings
        self._signals = signals

    async def transcribe(
        self,
        request: TranscriptionRequest,
        audio: npt.NDArray[np.uint8],
        on_segments: SegmentSink | None = None,
    ) -> Transcript:
        """Transcribe the bytes of a file.

        Args:
            request: what is wanted.
            audio: the file.
            on_segments: gets the segments in order, as the recording's stretches are done, before the whole is.

        Raises:
            RayscribeError: see deployments.errors. Cancelling the call cancels what runs for it in every stage.
        """
        if request.model in self._settings.recognizers:
            routed = Pipeline(self._stages.serving(request.model), self._settings.serving(request.model), self._signals)
            return await routed._timed(request, audio, on_segments)
        return await self._timed(request, audio, on_segments)

    async def _timed(
        self, request: TranscriptionRequest, audio: npt.NDArray[np.uint8], on_segments: SegmentSink | None
    ) -> Transcript:
        times = PartTimes(self._signals)
        with times.told(), inner_span("transcribe", request_id=request.request_id):
            transcript = await self._transcribe(request, audio, on_segments, times)
            annotate(audio_s=transcript.duration_s)
            return transcript

    async def _transcribe(
        self,
        request: TranscriptionRequest,
        audio: npt.NDArray[np.uint8],
        on_segments: SegmentSink | None,
        times: PartTimes,
    ) -> Transcript:
        deadline = Deadline(self._settings.limits.request_timeout_s)
        with times.at("open"):
            opened = await retried(lambda: self._open(request, audio, deadline))
        candidates = possible_languages(request.language, request.candidates, self._settings)
        if not opened.speech.regions:
            return _without_speech(request, opened.speech, detection_of(candidates, 0, ()))
        recognition = self._settings.recognition
        group_s = recognition.group_s if on_segments is None else recognition.stream_group_s
        groups = _groups(opened.speech.regions, group_s)
        heard: list[RecognizedSpan] = []
        segments: list[Segment] = []
        warnings: list[TranscriptionWarning] = list(opened.speech.warnings)
        turns = asyncio.ensure_future(self._turns(request, opened, deadline, times))

        async def recognize() -> None:
            async with contextlib.aclosing(self._recognized(request, groups, candidates, opened, deadline)) as done:
                while True:
                    with times.at("recognize"):
                        spans = await anext(done, None)
                    if spans is None:
                        break
                    heard.extend(spans)
                    warnings.extend(warning for span in spans for warning in span.warnings)
                    if on_segments is not None:
                        await on_segments(await refine(spans))

        async def refine(spans: Sequence[RecognizedSpan]) -> tuple[Segment, ...]:
            attributed = segments_of(spans, await turns)
            with times.at("refine"):
                refined = await self._refined(request, attributed, deadline)
            finished = _numbered(refined.segments, groups)
            warnings.extend(_shifted(warning, len(segments)) for warning in refined.warnings)
            segments.extend(finished)
            return finished

        await _together(turns, recognize())
        if on_segments is None:
            await refine(heard)
        detection = detection_of(candidates, len(groups), segments)
        return _transcript(request, opened.speech, heard, await turns, tuple(segments), detection, warnings)

    async def _open(self, request: TranscriptionRequest, audio: npt.NDArray[np.uint8], deadline: Deadline) -> _Opened:
        """Decode and gate in one step: the waveform does not pass through here, so the gate sees its loss."""
        decoding = started(self._stages.decoder.decode, audio, request.max_duration_s)
        try:
            waveform = await reference_to(decoding, deadline)
            return _Opened(waveform, await call(self._stages.speech_gate.inspect, waveform, deadline=deadline))
        except BaseException:
            decoding.cancel()
            raise

    async def _turns(
        self, request: TranscriptionRequest, opened: _Opened, deadline: Deadline, times: PartTimes
    ) -> tuple[SpeakerTurn, ...]:
        if not request.diarize:
            return ()
        with times.at("diarize"):
            turns: tuple[SpeakerTurn, ...] = await retried(
                lambda: call(self._stages.diarizer.diarize, opened.waveform, request.speaker_count, deadline=deadline)
            )
        return turns

    async def _recognized(
        self,
        request: TranscriptionRequest,
        groups: Sequence[tuple[TimeSpan, ...]],
        candidates: tuple[str, ...],
        opened: _Opened,
        deadline: Deadline,
    ) -> AsyncGenerator[tuple[RecognizedSpan, ...]]:
        """What each group was recognised as, in order; some are worked on ahead of the one that is waited for."""
        turn = asyncio.Semaphore(self._settings.recognition.groups_in_flight)
        hints = recogniser_hints(request.vocabulary, request.prompt, self._settings)

        async def recognize(labels: asyncio.Future[Labels]) -> tuple[RecognizedSpan, ...]:
            group = await labels
            async with turn:
                spans: tuple[RecognizedSpan, ...] = await retried(
                    lambda: call(
                        self._stages.recognizer.recognize,
                        opened.waveform,
                        group,
                        RecognitionTask(timeout_s=deadline.remaining_s(), hints=hints),
                        deadline=deadline,
                    )
                )
                return spans

        identifier = self._stages.language_identifier
        async with (
            _cancelled_at_the_end(
                labelled_in_turn(identifier, opened.waveform, groups, candidates, deadline)
            ) as labelled,
            _cancelled_at_the_end([asyncio.ensure_future(recognize(labels)) for labels in labelled]) as tasks,
        ):
            for task in tasks:
                yield await task

    async def _refined(
        self, request: TranscriptionRequest, segments: tuple[Segment, ...], deadline: Deadline
    ) -> Refined:
        if not segments:
            return Refined(())
        task = RefinementTask(
            punctuate=request.punctuate,
            vocabulary=Vocabulary.of(request.vocabulary),
            context=request.context,
            numerals=request.numerals,
            script_correction=request.script_correction,
            polish_timeout_s=deadline.remaining_s() * _POLISH_SHARE,
        )
        refined: Refined = await retried(lambda: call(self._stages.refiner.refine, segments, task, deadline=deadline))
        return refined


async def _together(*work: Awaitable[Any]) -> list[Any]:
    """Results in order; when one fails, the others are cancelled before its error goes on."""
    async with _cancelled_at_the_end([asyncio.ensure_future(piece) for piece in work]) as tasks:
        return await asyncio.gather(*tasks)


@contextlib.asynccontextmanager
async def _cancelled_at_the_end(tasks: list[asyncio.Future[Result]]) -> AsyncGenerator[list[asyncio.Future[Result]]]:
    """No task outlives the context, however it ends."""
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _groups(regions: Sequence[TimeSpan], group_s: float) -> list[tuple[TimeSpan, ...]]:
    """Consecutive regions of about group_s of audio each, so that a long file spreads over replicas."""
    groups: list[list[TimeSpan]] = []
    for region in regions:
        if groups and region.end_s - groups[-1][0].start_s <= group_s:
            groups[-1].append(region)
        else:
            groups.append([region])
    return [tuple(group) for group in groups]


def _numbered(segments: Sequence[Segment], groups: Sequence[tuple[TimeSpan, ...]]) -> tuple[Segment, ...]:
    """Segments that say in which group they were recognised, where there is more than one."""
    if len(groups) == 1:
        return tuple(segments)
    starts_s = [group[0].start_s for group in groups[1:]]
    return tuple(replace(segment, chunk=bisect.bisect_right(starts_s, segment.start_s)) for segment in segments)


def _shifted(warning: TranscriptionWarning, segments: int) -> TranscriptionWarning:
    """About segments that so many others come before."""
    return replace(warning, segments=tuple(segments + at for at in warning.segments))


def _without_speech(request: TranscriptionRequest, speech: SpeechMap, detection: LanguageDetection) -> Transcript:
    return Transcript(
        request_id=request.request_id,
        text="",
        language=None,
        duration_s=speech.duration_s,
        segments=(),
        turns=(),
        snr_db=speech.snr_db,
        warnings=speech.warnings,
        usage=Usage(billable_s=0.0),
        detection=detection,
    )


def _transcript(
    request: TranscriptionRequest,
    speech: SpeechMap,
    spans: Sequence[RecognizedSpan],
    turns: tuple[SpeakerTurn, ...],
    segments: tuple[Segment, ...],
    detection: LanguageDetection,
    warnings: Sequence[TranscriptionWarning],
) -> Transcript:
    switched = code_switch_warning(segments)
    return Transcript(
        request_id=request.request_id,
        text=joined_sentences(segment.text for segment in segments),
        language=main_language([(span.language, span.span.duration_s) for span in spans]),
        duration_s=speech.duration_s,
        segments=segments,
        turns=turns,
        snr_db=speech.snr_db,
        warnings=tuple(dict.fromkeys([*warnings, *([switched] if switched else [])])),
        usage=Usage(billable_s=speech.duration_s),
        detection=detection,
    )
