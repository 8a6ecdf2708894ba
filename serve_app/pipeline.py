"""One transcription, start to end, over the stage handles."""

from __future__ import annotations

import asyncio
import bisect
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from deployments.calls import Deadline, call, retried
from deployments.contracts import (
    LanguageDetection,
    LanguageSource,
    LanguageSpan,
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
)
from deployments.text_joining import joined_sentences
from serve_app.assembly import segments_of
from serve_app.capabilities import possible_languages
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


@dataclass(frozen=True, slots=True)
class _Opened:
    """A decoded recording: the waveform stays in the object store, this is a reference to it."""

    waveform: Any
    speech: SpeechMap


class Pipeline:
    """Runs requests through the graph. Shared by all requests of a process; holds no state of theirs."""

    def __init__(self, stages: StageHandles, settings: Settings) -> None:
        self._stages = stages
        self._settings = settings

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
        deadline = Deadline(self._settings.limits.request_timeout_s)
        opened = await retried(lambda: self._open(request, audio, deadline))
        if not opened.speech.regions:
            return _without_speech(request, opened.speech)
        detection, labelled = await self._languages(request, opened, deadline)
        recognition = self._settings.recognition
        groups = _groups(labelled, recognition.group_s if on_segments is None else recognition.stream_group_s)
        heard: list[RecognizedSpan] = []
        segments: list[Segment] = []
        warnings: list[TranscriptionWarning] = list(opened.speech.warnings)
        turns = asyncio.ensure_future(self._turns(request, opened, deadline))

        async def recognize() -> None:
            async with contextlib.aclosing(self._recognized(groups, opened, deadline)) as done:
                async for spans in done:
                    heard.extend(spans)
                    warnings.extend(warning for span in spans for warning in span.warnings)
                    if on_segments is not None:
                        await on_segments(await refine(spans))

        async def refine(spans: Sequence[RecognizedSpan]) -> tuple[Segment, ...]:
            refined = await self._refined(request, segments_of(spans, await turns), deadline)
            finished = _numbered(refined.segments, groups)
            segments.extend(finished)
            warnings.extend(refined.warnings)
            return finished

        await _together(turns, recognize())
        if on_segments is None:
            await refine(heard)
        return _transcript(request, opened.speech, heard, await turns, tuple(segments), detection, warnings)

    async def _open(self, request: TranscriptionRequest, audio: npt.NDArray[np.uint8], deadline: Deadline) -> _Opened:
        """Decode and gate in one step: the waveform does not pass through here, so the gate sees its loss."""
        waveform = self._stages.decoder.decode.remote(audio, request.max_duration_s)
        try:
            speech = await call(self._stages.speech_gate.inspect, waveform, deadline=deadline)
            return _Opened(await waveform._to_object_ref(), speech)
        except BaseException:
            waveform.cancel()
            raise

    async def _turns(
        self, request: TranscriptionRequest, opened: _Opened, deadline: Deadline
    ) -> tuple[SpeakerTurn, ...]:
        if not request.diarize:
            return ()
        turns: tuple[SpeakerTurn, ...] = await retried(
            lambda: call(self._stages.diarizer.diarize, opened.waveform, request.speaker_count, deadline=deadline)
        )
        return turns

    async def _recognized(
        self, groups: Sequence[tuple[LanguageSpan, ...]], opened: _Opened, deadline: Deadline
    ) -> AsyncGenerator[tuple[RecognizedSpan, ...]]:
        """What each group was recognised as, in order; some are worked on ahead of the one that is waited for."""
        turn = asyncio.Semaphore(self._settings.recognition.groups_in_flight)

        async def recognize(group: tuple[LanguageSpan, ...]) -> tuple[RecognizedSpan, ...]:
            async with turn:
                spans: tuple[RecognizedSpan, ...] = await retried(
                    lambda: call(
                        self._stages.recognizer.recognize,
                        opened.waveform,
                        group,
                        RecognitionTask(timeout_s=deadline.remaining_s()),
                        deadline=deadline,
                    )
                )
                return spans

        async with _cancelled_at_the_end([asyncio.ensure_future(recognize(group)) for group in groups]) as tasks:
            for task in tasks:
                yield await task

    async def _languages(
        self, request: TranscriptionRequest, opened: _Opened, deadline: Deadline
    ) -> tuple[LanguageDetection, tuple[LanguageSpan, ...]]:
        """The language of each speech region; a known one, or the only one there is, needs no model."""
        regions = opened.speech.regions
        candidates = possible_languages(request.language, request.candidates, self._settings)
        if len(candidates) == 1:
            detection = LanguageDetection(LanguageSource.FAST_PATH, candidates, 0)
            return detection, tuple(LanguageSpan(region, candidates[0], 1.0) for region in regions)
        identified: tuple[LanguageSpan, ...] = await retried(
            lambda: call(
                self._stages.language_identifier.identify, opened.waveform, regions, candidates, deadline=deadline
            )
        )
        detection = LanguageDetection(LanguageSource.LID_PER_SEGMENT, candidates, 1)
        return detection, tuple(_label(region, identified) for region in regions)

    async def _refined(
        self, request: TranscriptionRequest, segments: tuple[Segment, ...], deadline: Deadline
    ) -> Refined:
        if not segments:
            return Refined(())
        task = RefinementTask(
            punctuate=request.punctuate,
            vocabulary=request.vocabulary,
            context=request.context,
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


def _groups(spans: Sequence[LanguageSpan], group_s: float) -> list[tuple[LanguageSpan, ...]]:
    """Consecutive spans of about group_s of audio each, so that a long file spreads over replicas."""
    groups: list[list[LanguageSpan]] = []
    for span in spans:
        if groups and span.span.end_s - groups[-1][0].span.start_s <= group_s:
            groups[-1].append(span)
        else:
            groups.append([span])
    return [tuple(group) for group in groups]


def _numbered(segments: Sequence[Segment], groups: Sequence[tuple[LanguageSpan, ...]]) -> tuple[Segment, ...]:
    """Segments that say in which group they were recognised, where there is more than one."""
    if len(groups) == 1:
        return tuple(segments)
    starts_s = [group[0].span.start_s for group in groups[1:]]
    return tuple(replace(segment, chunk=bisect.bisect_right(starts_s, segment.start_s)) for segment in segments)


def _label(region: TimeSpan, identified: Sequence[LanguageSpan]) -> LanguageSpan:
    """The identified language that covers most of a region."""

    def overlap_s(candidate: LanguageSpan) -> float:
        return min(region.end_s, candidate.span.end_s) - max(region.start_s, candidate.span.start_s)

    best = max(identified, key=overlap_s)
    return LanguageSpan(region, best.language, best.probability)


def _without_speech(request: TranscriptionRequest, speech: SpeechMap) -> Transcript:
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
    return Transcript(
        request_id=request.request_id,
        text=joined_sentences(segment.text for segment in segments),
        language=_main_language(spans),
        duration_s=speech.duration_s,
        segments=segments,
        turns=turns,
        snr_db=speech.snr_db,
        warnings=tuple(dict.fromkeys(warnings)),
        usage=Usage(billable_s=speech.duration_s),
        detection=detection,
    )


def _main_language(spans: Sequence[RecognizedSpan]) -> str | None:
    seconds: dict[str, float] = {}
    for span in spans:
        seconds[span.language] = seconds.get(span.language, 0.0) + span.span.duration_s
    return max(seconds, key=lambda language: seconds[language]) if seconds else None
