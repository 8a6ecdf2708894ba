"""One transcription, start to end, over the stage handles."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from deployments.calls import Deadline, call, retried
from deployments.contracts import (
    LanguageSpan,
    RecognitionTask,
    RecognizedSpan,
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
from serve_app.assembly import segments_of
from serve_app.settings import Settings

Result = TypeVar("Result")


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

    async def transcribe(self, request: TranscriptionRequest, audio: npt.NDArray[np.uint8]) -> Transcript:
        """Transcribe the bytes of a file.

        Raises:
            RayscribeError: see deployments.errors. Cancelling the call cancels what runs for it in every stage.
        """
        deadline = Deadline(self._settings.limits.request_timeout_s)
        opened = await retried(lambda: self._open(audio, deadline))
        if not opened.speech.regions:
            return _without_speech(request, opened.speech)
        turns, spans = await _together(
            self._turns(request, opened, deadline), self._recognized(request, opened, deadline)
        )
        segments = segments_of(spans, turns)
        if segments:
            segments = await self._refined(request, segments, deadline)
        return _transcript(request, opened.speech, spans, turns, segments)

    async def _open(self, audio: npt.NDArray[np.uint8], deadline: Deadline) -> _Opened:
        """Decode and gate in one step: the waveform does not pass through here, so the gate sees its loss."""
        waveform = self._stages.decoder.decode.remote(audio)
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
        self, request: TranscriptionRequest, opened: _Opened, deadline: Deadline
    ) -> list[RecognizedSpan]:
        labelled = await self._languages(request, opened, deadline)
        recognition = self._settings.recognition
        turn = asyncio.Semaphore(recognition.groups_in_flight)

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

        recognized = await _together(*(recognize(group) for group in _groups(labelled, recognition.group_s)))
        return [span for group in recognized for span in group]

    async def _languages(
        self, request: TranscriptionRequest, opened: _Opened, deadline: Deadline
    ) -> tuple[LanguageSpan, ...]:
        """The language of each speech region; a known one needs no model."""
        regions = opened.speech.regions
        if request.language is not None:
            return tuple(LanguageSpan(region, request.language, 1.0) for region in regions)
        identified: tuple[LanguageSpan, ...] = await retried(
            lambda: call(self._stages.language_identifier.identify, opened.waveform, regions, deadline=deadline)
        )
        return tuple(_label(region, identified) for region in regions)

    async def _refined(
        self, request: TranscriptionRequest, segments: tuple[Segment, ...], deadline: Deadline
    ) -> tuple[Segment, ...]:
        refined: tuple[Segment, ...] = await retried(
            lambda: call(
                self._stages.refiner.refine, segments, RefinementTask(punctuate=request.punctuate), deadline=deadline
            )
        )
        return refined


async def _together(*work: Awaitable[Any]) -> list[Any]:
    """Results in order; when one fails, the others are cancelled before its error goes on."""
    tasks = [asyncio.ensure_future(piece) for piece in work]
    try:
        return await asyncio.gather(*tasks)
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
) -> Transcript:
    return Transcript(
        request_id=request.request_id,
        text=" ".join(segment.text for segment in segments),
        language=_main_language(spans),
        duration_s=speech.duration_s,
        segments=segments,
        turns=turns,
        snr_db=speech.snr_db,
        warnings=_distinct([*speech.warnings, *(warning for span in spans for warning in span.warnings)]),
        usage=Usage(billable_s=speech.duration_s),
    )


def _main_language(spans: Sequence[RecognizedSpan]) -> str | None:
    seconds: dict[str, float] = {}
    for span in spans:
        seconds[span.language] = seconds.get(span.language, 0.0) + span.span.duration_s
    return max(seconds, key=lambda language: seconds[language]) if seconds else None


def _distinct(warnings: Sequence[TranscriptionWarning]) -> tuple[TranscriptionWarning, ...]:
    return tuple(dict.fromkeys(warnings))
