"""Served audio per second under load, and where the processor time goes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx

from deployments.contracts import Samples
from load_tests.decoding import decode
from load_tests.library_baseline import Library, LibraryMode
from load_tests.processes import ServiceNotLocal, find_service
from load_tests.recordings import Recording
from load_tests.report import Cell, Column, Table, percentile
from load_tests.service import ListenFailed, Service

CONCURRENT_REQUESTS = 16


@dataclass(frozen=True, slots=True)
class Load:
    """Recordings in memory, as files for the service and as samples for the library."""

    recordings: tuple[Recording, ...]
    files: tuple[bytes, ...]
    samples: tuple[Samples, ...]

    @property
    def audio_s(self) -> float:
        """Seconds of audio in all."""
        return sum(recording.duration_s for recording in self.recordings)


def load_of(recordings: Sequence[Recording]) -> Load:
    """Read and decode, so that neither is timed where it is not meant to be."""
    files = tuple(recording.read() for recording in recordings)
    return Load(tuple(recordings), files, tuple(decode(data).samples for data in files))


@dataclass(frozen=True, slots=True)
class ServedRound:
    """One pass over the load. Failures make its speed meaningless, so they are counted and shown."""

    wall_s: float
    latencies_s: tuple[float, ...]
    failures: tuple[str, ...]
    cpu_s: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rounds:
    """The service and the library in turns over the same load."""

    load: Load
    served: tuple[ServedRound, ...]
    library_s: tuple[float, ...]

    @property
    def ratios(self) -> list[float]:
        """Served speed over the library's, round by round."""
        return [library_s / served.wall_s for served, library_s in zip(self.served, self.library_s, strict=True)]


def alternate(service: Service, library: Library, load: Load, rounds: int) -> Rounds:
    """Warm both up, then let them take turns; each is idle while the other runs."""
    serve_round(service, load)
    for samples in load.samples[:3]:
        library.transcribe(samples, LibraryMode.PLAIN)
    served, library_s = [], []
    for _ in range(rounds):
        served.append(serve_round(service, load))
        library_s.append(sum(library.transcribe(samples, LibraryMode.PLAIN).wall_s for samples in load.samples))
    return Rounds(load, tuple(served), tuple(library_s))


def serve_round(service: Service, load: Load) -> ServedRound:
    """Send the load with CONCURRENT_REQUESTS at a time, nothing tried again."""

    def send(data: bytes) -> tuple[float, str]:
        start_s = time.perf_counter()
        try:
            service.listen(data)
        except (ListenFailed, httpx.HTTPError) as error:
            return time.perf_counter() - start_s, f"{type(error).__name__}: {error}"
        return time.perf_counter() - start_s, ""

    before_s = _cpu_s(service.url)
    client_before_s = time.process_time()
    start_s = time.perf_counter()
    with ThreadPoolExecutor(CONCURRENT_REQUESTS) as pool:
        sent = list(pool.map(send, load.files))
    wall_s = time.perf_counter() - start_s
    client_s = time.process_time() - client_before_s
    after_s = _cpu_s(service.url)
    used_s = {label: spent_s - before_s.get(label, 0.0) for label, spent_s in after_s.items()}
    if used_s:
        used_s["this client"] = client_s
    return ServedRound(
        wall_s, tuple(latency_s for latency_s, _ in sent), tuple(failure for _, failure in sent if failure), used_s
    )


def throughput_table(rounds: Rounds) -> Table:
    """Times real time of both, round by round."""
    return Table(
        f"Throughput: HTTP with {CONCURRENT_REQUESTS} concurrent requests against the raw library, one by one",
        (
            Column("round"),
            Column("served × real time"),
            Column("library × real time"),
            Column("ratio", digits=2),
            Column("median latency ms", digits=0),
            Column("p95 latency ms", digits=0),
            Column("failed"),
        ),
        tuple(_throughput_rows(rounds)),
        f"{len(rounds.load.files)} recordings, {rounds.load.audio_s:.0f} s of audio a round. "
        "The library's time is that of its calls alone, on samples decoded before.",
    )


def cpu_table(rounds: Rounds) -> Table:
    """Processor time by process, over all rounds."""
    requests = sum(len(served.latencies_s) for served in rounds.served)
    labels = {label for served in rounds.served for label in served.cpu_s}
    spent_s = {label: sum(served.cpu_s.get(label, 0.0) for served in rounds.served) for label in labels}
    total_s = sum(spent_s.values())
    wall_s = sum(served.wall_s for served in rounds.served)
    rows: list[tuple[Cell, ...]] = [
        (label, 1000 * spent_s[label] / requests, 100 * spent_s[label] / total_s, spent_s[label] / wall_s)
        for label in sorted(labels, key=lambda label: -spent_s[label])
    ]
    if rows:
        rows.append(("all", 1000 * total_s / requests, 100.0, total_s / wall_s))
    return Table(
        "Where the processor time of the served rounds goes",
        (Column("process"), Column("ms a request", digits=2), Column("share %"), Column("cores", digits=2)),
        tuple(rows),
    )


def _throughput_rows(rounds: Rounds) -> Iterator[tuple[Cell, ...]]:
    audio_s = rounds.load.audio_s
    for number, (served, library_s) in enumerate(zip(rounds.served, rounds.library_s, strict=True), 1):
        yield (
            number,
            audio_s / served.wall_s,
            audio_s / library_s,
            library_s / served.wall_s,
            1000 * percentile(served.latencies_s, 50),
            1000 * percentile(served.latencies_s, 95),
            len(served.failures),
        )
    latencies_s = [latency_s for served in rounds.served for latency_s in served.latencies_s]
    yield (
        "median",
        statistics.median(audio_s / served.wall_s for served in rounds.served),
        statistics.median(audio_s / library_s for library_s in rounds.library_s),
        statistics.median(rounds.ratios),
        1000 * percentile(latencies_s, 50),
        1000 * percentile(latencies_s, 95),
        sum(len(served.failures) for served in rounds.served),
    )


def _cpu_s(url: str) -> dict[str, float]:
    try:
        return find_service(url).cpu_s()
    except ServiceNotLocal:
        return {}
