"""What the engines of a profile take, in this process and without Ray."""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

from deployments.contracts import SAMPLE_RATE_HZ, Samples, SpeakerCount, TimeSpan, Waveform
from deployments.diarization.engines import load_diarization_engine
from deployments.language_id.engines import SINGLE_LANGUAGE, load_language_engine
from deployments.language_id.identifier import Identifier
from deployments.language_id.smoothing import SmoothingSettings
from deployments.recognition.batches import BatchLimits
from deployments.recognition.engine import SpeechWindow
from deployments.recognition.engines import MOONSHINE_ONNX, load_recognition_engine
from deployments.stopping import never
from load_tests.decoding import decode
from load_tests.engines import Gate
from load_tests.latency import as_wav
from serve_app.engine_settings import WeightsSettings
from serve_app.planning.costs import BatchCost, Device, Stage, StageCost
from serve_app.settings import Settings

_CPU_ENGINES = frozenset({SINGLE_LANGUAGE, MOONSHINE_ONNX, "community1-onnx"})
_DURATIONS_S = (5.0, 20.0, 60.0)
_WINDOWS_S = (1.0, 5.0, 15.0, 30.0)
_BATCHES = (1, 3, 8, 32)
_REPEATS = 3


class EngineMeter:
    """Measures the engines of some settings on real speech.

    Args:
        settings: of the profile.
        speech: at least a minute; what is measured are its beginnings and pieces.
    """

    def __init__(self, settings: Settings, speech: Samples) -> None:
        self._settings = settings
        self._speech = speech
        self._gate = Gate(settings)

    def decoder(self) -> StageCost:
        """Of WAV files, which need the least: codecs add a thousandth of real time."""
        files = {duration_s: as_wav(self._cut(0, duration_s)) for duration_s in _DURATIONS_S}
        return self._linear(Stage.DECODER, Device.CPU, lambda duration_s: decode(files[duration_s]))

    def gate(self) -> StageCost:
        """Speech and noise."""
        return self._linear(Stage.SPEECH_GATE, Device.CPU, lambda duration_s: self._regions(duration_s))

    def language_identifier(self) -> StageCost | None:
        """Where the recogniser knows more than one language; the caller names none."""
        settings = self._settings.language
        if settings.engine == SINGLE_LANGUAGE:
            return None
        languages = self._settings.identified_languages()
        engine = load_language_engine(settings.engine, settings.options(languages, self._settings.checkpoint_cache()))
        identifier = Identifier(engine, SmoothingSettings(switch_nats=settings.switch_nats))
        regions = {duration_s: self._regions(duration_s) for duration_s in _DURATIONS_S}

        def identify(duration_s: float) -> object:
            return identifier.identify(self._cut(0, duration_s), regions[duration_s], never, engine.languages)

        return self._linear(Stage.LANGUAGE_IDENTIFIER, device_of(settings.engine, settings), identify)

    def diarizer(self) -> StageCost:
        """With the number of speakers unknown."""
        settings = self._settings.diarization
        engine = load_diarization_engine(settings.engine, settings.options(self._settings.checkpoint_cache()))

        def diarize(duration_s: float) -> object:
            return engine.diarize(self._cut(0, duration_s), SpeakerCount(), never)

        return self._linear(Stage.DIARIZER, device_of(settings.engine, settings), diarize, settings.threads)

    def recognizer(self) -> StageCost:
        """A plane over batches of several sizes and lengths, of windows of one length and of several."""
        settings = self._settings.recognition
        engine = load_recognition_engine(settings.engine, settings.options(self._settings.checkpoint_cache()))
        language = "en" if "en" in engine.capabilities.languages else min(engine.capabilities.languages)
        longest_s = settings.resolved_window_s()
        device = device_of(settings.engine, settings)
        terms, spent_s = [], []
        for windows_s in _batches_s(longest_s, settings.max_batch_items, settings.max_batch_padded_s):
            windows = [SpeechWindow(self._piece(number, each_s), language) for number, each_s in enumerate(windows_s)]
            taken_s = _median_s(functools.partial(engine.transcribe, windows), device)
            terms.append((1.0, len(windows_s), len(windows_s) * max(windows_s), sum(windows_s)))
            spent_s.append(taken_s / settings.threads if device is Device.CPU else taken_s)
        batch_s, item_s, padded_s, audio_s = non_negative_fit(terms, spent_s)
        batches = BatchCost(
            batch_s=batch_s,
            item_s=item_s,
            padded_s=padded_s,
            audio_s=audio_s,
            longest_window_s=longest_s,
            max_items=settings.max_batch_items,
            max_padded_s=settings.max_batch_padded_s,
            max_stretch=BatchLimits().max_stretch,
            group_s=settings.group_s,
            groups_in_flight=settings.groups_in_flight,
        )
        threads = settings.threads if device is Device.CPU else 1
        return StageCost(Stage.RECOGNIZER, device, workers=settings.resolved_slots(), threads=threads, batches=batches)

    def speech_share(self) -> float:
        """Part of the speech that the gate hands on."""
        duration_s = max(_DURATIONS_S)
        return min(1.0, sum(region.duration_s for region in self._regions(duration_s)) / duration_s)

    def _regions(self, duration_s: float) -> tuple[TimeSpan, ...]:
        return self._gate.inspect(Waveform(self._cut(0, duration_s))).regions

    def _linear(self, stage: Stage, device: Device, work: Callable[[float], object], threads: int = 1) -> StageCost:
        threads = threads if device is Device.CPU else 1
        spent_s = [_median_s(functools.partial(work, duration_s), device) for duration_s in _DURATIONS_S]
        request_s, audio_s = non_negative_fit([(1.0, duration_s) for duration_s in _DURATIONS_S], spent_s)
        return StageCost(stage, device, threads=threads, request_s=request_s / threads, audio_s=audio_s / threads)

    def _cut(self, start_s: float, duration_s: float) -> Samples:
        first = int(start_s * SAMPLE_RATE_HZ)
        return self._speech[first : first + int(duration_s * SAMPLE_RATE_HZ)]

    def _piece(self, number: int, duration_s: float) -> Samples:
        """Different speech for each window of a batch."""
        room_s = len(self._speech) / SAMPLE_RATE_HZ - duration_s
        return self._cut(number * 7.3 % room_s, duration_s)


def _batches_s(longest_s: float, max_items: int, max_padded_s: float) -> Iterator[tuple[float, ...]]:
    """Batches of several sizes: of windows as long as each other, and from half of the longest up to it."""
    for size in sorted({min(size, max_items) for size in _BATCHES}):
        for length_s in sorted({min(length_s, longest_s) for length_s in _WINDOWS_S}):
            if length_s * size <= max_padded_s:
                yield (length_s,) * size
                if size > 1 and length_s > 1:
                    yield tuple(np.linspace(length_s / 2, length_s, size).tolist())


def device_of(engine: str, settings: WeightsSettings) -> Device:
    """What an engine computes on in this process; `auto` is a GPU where torch sees one."""
    if engine in _CPU_ENGINES or settings.device == "cpu":
        return Device.CPU
    if settings.device == "auto":
        import torch

        return Device.GPU if torch.cuda.is_available() else Device.CPU
    return Device.GPU


def non_negative_fit(terms: Sequence[Sequence[float]], values: Sequence[float]) -> tuple[float, ...]:
    """Coefficients that explain values by terms with the least relative error; none is below 0."""
    scale = np.asarray(values, dtype=np.float64)[:, np.newaxis]
    matrix: npt.NDArray[np.float64] = np.asarray(terms, dtype=np.float64) / scale
    return tuple(float(value) for value in nnls(matrix, np.ones(len(values)))[0])


def _median_s(work: Callable[[], object], device: Device) -> float:
    """Of a CPU its own time, since others may use it, too; of a GPU the clock's."""
    clock = time.process_time if device is Device.CPU else time.perf_counter
    work()
    taken_s = []
    for _ in range(_REPEATS):
        start_s = clock()
        work()
        taken_s.append(clock() - start_s)
    return max(statistics.median(taken_s), 1e-6)
