"""Latency by the number of streams at once, and how many streams a machine can follow."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from load_tests.live_latency import Latencies, latencies_of
from load_tests.live_speech import LiveSpeech, SpokenClip, live_speech
from load_tests.live_streams import StreamLog, play
from load_tests.processes import ServiceNotLocal, find_service
from load_tests.report import Cell, Column, Table, percentile
from serve_app.live_client import LiveRequest

FINAL_LIMIT_S = 1.0
"""At p95: later than this, people begin to wonder."""

# Streams that begin at the same moment would ask for their partial texts in step.
_STAGGER_S = 0.37
_STAGGERED = 8


@dataclass(frozen=True, slots=True)
class LoadRun:
    """So many streams at once. ``cores``: processor seconds in a second, by process; empty: they are not to be seen."""

    streams: int
    end_silence_ms: int
    latencies: Latencies
    failures: tuple[str, ...]
    cores: dict[str, float]

    @property
    def is_in_time(self) -> bool:
        """Whether finals came within FINAL_LIMIT_S at p95, and nothing failed."""
        p95_s = self.latencies.final_percentile_s(95)
        return p95_s is not None and p95_s < FINAL_LIMIT_S and not self.failures


def run_streams(server: str, clips: Sequence[SpokenClip], streams: int, seconds: float, end_silence_ms: int) -> LoadRun:
    """Send different streams at once; warm-up is the caller's."""
    speeches = [live_speech(clips, seconds, seed) for seed in range(streams)]
    request = LiveRequest(end_silence_ms=end_silence_ms)

    async def play_all() -> list[StreamLog]:
        return await asyncio.gather(
            *(
                play(server, speech.pcm, request, delay_s=(number % _STAGGERED) * _STAGGER_S)
                for number, speech in enumerate(speeches)
            )
        )

    cpu_before_s, client_before_s, begun_s = _cpu_s(server), time.process_time(), time.perf_counter()
    logs = asyncio.run(play_all())
    wall_s, cpu_after_s, client_s = time.perf_counter() - begun_s, _cpu_s(server), time.process_time() - client_before_s
    cores = {label: (spent_s - cpu_before_s.get(label, 0.0)) / wall_s for label, spent_s in cpu_after_s.items()}
    if cores:
        cores["this client"] = client_s / wall_s
    return LoadRun(
        streams,
        end_silence_ms,
        _pooled(speeches, logs),
        tuple(log.failure for log in logs if log.failure),
        cores,
    )


def counts_to_try(most: int) -> Iterator[int]:
    """1, 2, 5, and by fives up to the most."""
    yield from (count for count in (1, 2) if count <= most)
    yield from range(5, most + 1, 5)


def search(run: Callable[[int], LoadRun], most: int) -> list[LoadRun]:
    """Runs of more and more streams, up to the first that is not in time."""
    runs: list[LoadRun] = []
    for count in counts_to_try(most):
        runs.append(run(count))
        if not runs[-1].is_in_time:
            break
    return runs


def largest_in_time(runs: Sequence[LoadRun]) -> int:
    """Streams of the largest run that was in time; 0 where none was."""
    return max((run.streams for run in runs if run.is_in_time), default=0)


def load_table(title: str, runs: Sequence[LoadRun], note: str) -> Table:
    """A row for each run."""
    return Table(
        title,
        (
            Column("streams"),
            Column("silence ms"),
            Column("utterances"),
            Column("ends missed"),
            Column("first text p50 ms", digits=0),
            Column("p95 ms", digits=0),
            Column("partials p50 ms", digits=0),
            Column("p95 ms", digits=0),
            Column("finals p50 ms", digits=0),
            Column("p95 ms", digits=0),
            Column("cores", digits=2),
            Column("failed"),
        ),
        tuple(
            (
                run.streams,
                run.end_silence_ms,
                run.latencies.utterances,
                run.latencies.missed,
                *_milliseconds(run.latencies.first_s),
                *_milliseconds(run.latencies.partial_s),
                *_milliseconds(run.latencies.final_s),
                sum(run.cores.values()) or None,
                len(run.failures),
            )
            for run in runs
        ),
        note,
    )


def cores_table(runs: Sequence[LoadRun]) -> Table:
    """Where the processor time of each run goes; no rows where it is not to be seen."""
    last = runs[-1].cores
    return Table(
        "Cores in use, by the number of streams",
        (Column("process"), *(Column(str(run.streams), digits=3) for run in runs)),
        tuple(
            (label, *(run.cores.get(label, 0.0) for run in runs))
            for label in sorted(last, key=lambda label: -last[label])
        ),
    )


def _milliseconds(latencies_s: Sequence[float]) -> tuple[Cell, Cell]:
    if not latencies_s:
        return None, None
    return 1000 * percentile(latencies_s, 50), 1000 * percentile(latencies_s, 95)


def _pooled(speeches: Sequence[LiveSpeech], logs: Sequence[StreamLog]) -> Latencies:
    heard = (latencies_of(speech, log) for speech, log in zip(speeches, logs, strict=True))
    return sum(heard, Latencies())


def _cpu_s(server: str) -> dict[str, float]:
    try:
        return find_service(server).cpu_s()
    except ServiceNotLocal:
        return {}
