"""A short recording through HTTP against the same engines called in this process."""

from __future__ import annotations

import io
import statistics
import time
import wave
from collections.abc import Callable

import numpy as np

from deployments.contracts import SAMPLE_RATE_HZ, Samples
from load_tests.engines import Chain
from load_tests.report import Column, Table, percentile
from load_tests.service import Service

CLIP_S = 5.0
_WARM_UPS = 3


def five_seconds(samples: Samples) -> bytes:
    """The first five seconds as a WAV file of 16 bits."""
    return as_wav(samples[: int(CLIP_S * SAMPLE_RATE_HZ)])


def as_wav(samples: Samples) -> bytes:
    """A WAV file of 16 bits."""
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(SAMPLE_RATE_HZ)
        written.writeframes((np.clip(samples, -1.0, 1.0) * 32767).astype("<i2").tobytes())
    return file.getvalue()


def latency_table(service: Service, chain: Chain, clip: bytes, calls: int) -> Table:
    """Call both in turns, one at a time, and compare medians."""
    served_s, in_process_s = [], []
    for call in range(calls + _WARM_UPS):
        served, in_process = _timed(lambda: service.listen(clip)), _timed(lambda: chain.transcribe(clip))
        if call >= _WARM_UPS:
            served_s.append(served)
            in_process_s.append(in_process)
    difference_s = statistics.median(served_s) - statistics.median(in_process_s)
    return Table(
        f"Latency of a recording of {CLIP_S:g} s, {calls} calls one at a time",
        (Column("path"), Column("median ms"), Column("p95 ms"), Column("fastest ms")),
        (
            ("HTTP", *_row(served_s)),
            ("engines in process", *_row(in_process_s)),
            ("difference of medians", 1000 * difference_s, None, None),
        ),
        "In process: decode, gate and recognise with the profile's settings, one thread.",
    )


def _timed(call: Callable[[], object]) -> float:
    start_s = time.perf_counter()
    call()
    return time.perf_counter() - start_s


def _row(times_s: list[float]) -> tuple[float, float, float]:
    return 1000 * statistics.median(times_s), 1000 * percentile(times_s, 95), 1000 * min(times_s)
