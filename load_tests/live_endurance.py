"""One stream for an hour: whether memory stays flat, and the last minute is heard as soon and as well as the first."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass

from load_tests.live_latency import latencies_of
from load_tests.live_speech import LiveSpeech, SpokenClip, live_speech
from load_tests.live_streams import StreamLog, play
from load_tests.processes import ServiceNotLocal, find_service
from load_tests.report import Cell, Column, Table
from load_tests.wer import count_word_errors
from serve_app.live_client import LiveRequest

# The service ends a session of more than its hour.
_MARGIN_S = 2.0
_EVERY_S = 30.0
_PARTS = 6
_SHOWN_ROWS = 13
_SEED = 77
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class MemorySample:
    """Proportional memory of the service's processes, by label."""

    minute: float
    bytes_by_label: dict[str, float]

    @property
    def total(self) -> float:
        """Of all of them."""
        return sum(self.bytes_by_label.values())


@dataclass(frozen=True, slots=True)
class Endurance:
    """A long stream and the memory beside it; no samples where the processes are not to be seen."""

    speech: LiveSpeech
    log: StreamLog
    memory: tuple[MemorySample, ...]


def endure(server: str, clips: Sequence[SpokenClip], minutes: float, end_silence_ms: int) -> Endurance:
    """Stream for so long."""
    speech = live_speech(clips, minutes * 60 - _MARGIN_S, _SEED)

    async def run() -> Endurance:
        samples: list[MemorySample] = []
        watcher = asyncio.create_task(_watch(server, samples))
        try:
            log = await play(server, speech.pcm, LiveRequest(end_silence_ms=end_silence_ms))
        finally:
            watcher.cancel()
        return Endurance(speech, log, tuple(samples))

    return asyncio.run(run())


def growth_mib_an_hour(samples: Sequence[MemorySample], from_minute: float) -> float | None:
    """Slope of the least-squares line through the totals; None for fewer than three samples."""
    points = [(sample.minute / 60, sample.total / _MIB) for sample in samples if sample.minute >= from_minute]
    if len(points) < 3:
        return None
    mean_hour = sum(hour for hour, _ in points) / len(points)
    mean_mib = sum(mib for _, mib in points) / len(points)
    spread = sum((hour - mean_hour) ** 2 for hour, _ in points)
    return sum((hour - mean_hour) * (mib - mean_mib) for hour, mib in points) / spread


def memory_table(samples: Sequence[MemorySample], warm_up_minutes: float) -> Table:
    """Memory over time, thinned out."""
    labels = sorted({label for sample in samples for label in sample.bytes_by_label})
    step = max(1, -(-(len(samples) - 1) // (_SHOWN_ROWS - 1)))
    growth = growth_mib_an_hour(samples, warm_up_minutes)
    shown = [sample for index, sample in enumerate(samples) if index % step == 0 or index == len(samples) - 1]
    return Table(
        "Proportional memory in MiB during one long stream",
        (Column("minute"), *(Column(label, digits=0) for label in labels), Column("all", digits=0)),
        tuple(_memory_row(sample, labels) for sample in shown),
        ""
        if growth is None
        else f"Growth after the first {warm_up_minutes:g} minutes: {growth:+.1f} MiB an hour (least squares).",
    )


def endurance_table(endured: Endurance) -> Table:
    """Latency and word errors by part of the stream."""
    length_s = endured.speech.duration_s / _PARTS
    return Table(
        "The same stream, part by part",
        (
            Column("minutes"),
            Column("utterances"),
            Column("ends missed"),
            Column("finals p50 ms", digits=0),
            Column("p95 ms", digits=0),
            Column("WER %"),
        ),
        tuple(_part_row(endured, part * length_s, (part + 1) * length_s) for part in range(_PARTS)),
    )


def _part_row(endured: Endurance, from_s: float, to_s: float) -> tuple[Cell, ...]:
    latencies = latencies_of(endured.speech, endured.log, from_s, to_s)
    said = [one for one in endured.speech.utterances if from_s <= one.speech.end_s < to_s]
    texts = [one.text for one in said if one.text is not None]
    wer: float | None = None
    if said and len(texts) == len(said):
        # Between two utterances is a pause, so that no word can be counted in the wrong part.
        begin_s, end_s = said[0].speech.start_s - 0.5, said[-1].speech.end_s + 0.5
        words = [word for final in endured.log.finals for word in final.transcript.words]
        heard = " ".join(word.word for word in words if begin_s <= (word.start + word.end) / 2 < end_s)
        wer = count_word_errors(" ".join(texts), heard).percent
    p50_s, p95_s = latencies.final_percentile_s(50), latencies.final_percentile_s(95)
    return (
        f"{from_s / 60:.0f} to {to_s / 60:.0f}",
        latencies.utterances,
        latencies.missed,
        None if p50_s is None else 1000 * p50_s,
        None if p95_s is None else 1000 * p95_s,
        wer,
    )


def _memory_row(sample: MemorySample, labels: Sequence[str]) -> tuple[Cell, ...]:
    by_label = (sample.bytes_by_label.get(label, 0.0) / _MIB for label in labels)
    return (sample.minute, *by_label, sample.total / _MIB)


async def _watch(server: str, samples: list[MemorySample]) -> None:
    begun_s = time.monotonic()
    with contextlib.suppress(ServiceNotLocal):
        while True:
            # Looked for anew: replicas may come and go.
            group = await asyncio.to_thread(find_service, server)
            taken = await asyncio.to_thread(group.pss_bytes)
            samples.append(MemorySample((time.monotonic() - begun_s) / 60, taken))
            await asyncio.sleep(_EVERY_S)
