"""The Recognizer stage: spans of all requests into one batcher."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from itertools import groupby

import numpy as np

from deployments import service_log as log
from deployments.contracts import (
    SAMPLE_RATE_HZ,
    LanguageSpan,
    RecognitionTask,
    RecognizedSpan,
    Samples,
    TimeSpan,
    TranscriptionWarning,
    WarningCode,
    Waveform,
)
from deployments.process_start import prepare_process
from deployments.processors import usable_processors
from deployments.recognition.batch_spans import BatchSpans
from deployments.recognition.batcher import Batcher
from deployments.recognition.batches import BatchLimits, Priority
from deployments.recognition.engine import Hypothesis, RecognitionCapabilities, SpeechWindow
from deployments.recognition.engines import RecognitionEngineOptions, load_recognition_engine
from deployments.recognition.signals import BatchSignals
from deployments.recognition.windows import WindowSettings, plan_windows
from deployments.signals import SILENT, Signals
from deployments.tracing import annotate, traced


@dataclass(frozen=True, slots=True)
class RecognizerConfig:
    """What a Recognizer replica is made of."""

    engine: str
    options: RecognitionEngineOptions
    limits: BatchLimits
    windows: WindowSettings


class Recognizer:
    """Turns language spans of a waveform into words, batched with those of other requests."""

    def __init__(self, config: RecognizerConfig, signals: Signals = SILENT) -> None:
        prepare_process()
        self._windows = config.windows
        self._engine = load_recognition_engine(config.engine, config.options)
        self._engine.transcribe([_warm_up(self._engine.capabilities)])
        self._batcher: Batcher[SpeechWindow, Hypothesis] = Batcher(
            self._engine.transcribe, _limits_here(config.limits), BatchSpans(BatchSignals(signals))
        )

    @traced("recognition")
    async def recognize(
        self, waveform: Waveform, spans: tuple[LanguageSpan, ...], task: RecognitionTask
    ) -> tuple[RecognizedSpan, ...]:
        """Words for each window, in order; spans are the speech regions with their languages, sorted.

        Raises:
            Overloaded: too much audio is waiting already.
            DeadlineExceeded: the batch with a window did not start within task.timeout_s.
        """
        windows = [
            (window, language)
            for language, run in groupby(spans, key=lambda span: span.language)
            for window in plan_windows(waveform.samples, [span.span for span in run], self._windows)
        ]
        cut = [
            (
                SpeechWindow(_slice(waveform.samples, window), language, task.hints, is_draft=task.partial),
                window.duration_s,
            )
            for window, language in windows
        ]
        annotate(audio_s=sum(duration_s for _, duration_s in cut), windows=len(cut))
        with log.stage_call("recognition", is_frequent=task.partial):
            hypotheses = await self._batcher.submit(cut, timeout_s=task.timeout_s, priority=_priority(task))
        return tuple(
            _recognized(window, language, hypothesis)
            for (window, language), hypothesis in zip(windows, hypotheses, strict=True)
        )

    def record_autoscaling_stats(self) -> dict[str, float]:
        """What scaling goes by; work is counted in seconds of audio."""
        return asdict(self._batcher.stats)


def _limits_here(limits: BatchLimits) -> BatchLimits:
    """Slots are counted where the replica is: the machine that builds the graph may be another."""
    return replace(limits, slots=limits.slots or usable_processors())


def _priority(task: RecognitionTask) -> Priority:
    if not task.live:
        return Priority.FILE
    return Priority.LIVE_PARTIAL if task.partial else Priority.LIVE


def _warm_up(capabilities: RecognitionCapabilities) -> SpeechWindow:
    return SpeechWindow(np.zeros(SAMPLE_RATE_HZ, np.float32), min(capabilities.languages))


def _slice(samples: Samples, span: TimeSpan) -> Samples:
    return samples[int(span.start_s * SAMPLE_RATE_HZ) : int(span.end_s * SAMPLE_RATE_HZ)]


def _recognized(window: TimeSpan, language: str, hypothesis: Hypothesis) -> RecognizedSpan:
    words = tuple(
        replace(word, start_s=window.start_s + word.start_s, end_s=window.start_s + word.end_s)
        for word in hypothesis.words
    )
    warnings = (_LOOP_WARNING,) if hypothesis.dropped_repeats else ()
    return RecognizedSpan(window, language, words, warnings)


_LOOP_WARNING = TranscriptionWarning(
    WarningCode.DEGENERATE_OUTPUT_DROPPED, "The recogniser repeated itself; the repetitions were left out"
)
