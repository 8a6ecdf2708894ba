"""Different speech for each request, sent when it is due and not when the one before is answered."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import numpy.typing as npt

from deployments.contracts import SAMPLE_RATE_HZ, Samples
from load_tests.latency import as_wav
from load_tests.recordings import Recording, wheel_recordings
from load_tests.service import ListenFailed, Service
from load_tests.throughput import load_of

_NEEDED_S = 75.0
_REPEATS = 4
_STEP_S = 3.7


def speech_of(recordings: Sequence[Recording]) -> Samples:
    """Real speech without long pauses, over a minute of it; that of the wheel where there are no recordings."""
    read = [recording for recording in recordings if recording.kind == "read" and recording.language == "en"]
    chosen: list[Recording] = []
    for recording in read or wheel_recordings() * _REPEATS:
        chosen.append(recording)
        if sum(each.duration_s for each in chosen) > _NEEDED_S:
            break
    return np.concatenate(load_of(chosen).samples)


def wav_pieces(speech: Samples, durations_s: Sequence[float]) -> list[bytes]:
    """WAV files of these lengths, each from further on in the speech, and from its start again at the end."""
    pieces = []
    for number, duration_s in enumerate(durations_s):
        first = int(number * _STEP_S * SAMPLE_RATE_HZ) % len(speech)
        samples = np.arange(first, first + int(duration_s * SAMPLE_RATE_HZ))
        pieces.append(as_wav(np.take(speech, samples, mode="wrap")))
    return pieces


def send_paced(
    service: Service, files: Sequence[bytes], arrivals_s: Sequence[float], *, diarize: bool = False
) -> npt.NDArray[np.float64]:
    """Latencies, each from when the request was to be sent; infinite for one that failed."""
    begun_s = time.perf_counter()

    def send(data: bytes, arrival_s: float) -> float:
        time.sleep(max(0.0, begun_s + arrival_s - time.perf_counter()))
        try:
            service.listen(data, diarize=diarize)
        except (ListenFailed, httpx.HTTPError):
            return float("inf")
        return time.perf_counter() - begun_s - arrival_s

    with ThreadPoolExecutor(len(files)) as pool:
        return np.array(list(pool.map(send, files, arrivals_s)))
