"""Observations to figures, step by step. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from load_tests.live_latency import Latencies
from load_tests.load.observations import FileCall, LiveCall, Outcome
from load_tests.load.steps import Step
from load_tests.load.uploads import LENGTH_CLASSES
from load_tests.report import percentile

ALL = "all"
ACCEPTED = " accepted"
"""Behind the name of an API: until a job was accepted, beside until its webhook came."""


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Of a latency, in seconds; None where nothing was measured."""

    p50_s: float | None
    p90_s: float | None
    p95_s: float | None
    p99_s: float | None
    longest_s: float | None


@dataclass(frozen=True, slots=True)
class FileFigures:
    """Calls of one API with recordings of one class of lengths, from when they were due until they were answered."""

    api: str
    length: str
    done: int
    without_text: int
    latency: Percentiles


@dataclass(frozen=True, slots=True)
class LiveFigures:
    """Sessions of one dialect.

    Attributes:
        missed: utterances whose end did not become final.
        first, partial, final: see load_tests.live_latency.Latencies. OpenAI's partial texts have no times.
    """

    api: str
    sessions: int
    audio_s: float
    utterances: int
    missed: int
    first: Percentiles
    partial: Percentiles
    final: Percentiles


@dataclass(frozen=True, slots=True)
class Count:
    """So many calls of a caller over an API were refused, or failed, for one reason."""

    api: str
    caller: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class Cores:
    """Processor seconds in a second while new calls were made. ``busy`` is the whole machine, others included."""

    by_process: dict[str, float]
    client: float
    busy: float

    @property
    def service(self) -> float:
        """All of the service's processes."""
        return sum(self.by_process.values())


@dataclass(frozen=True, slots=True)
class StepFigures:
    """One step.

    Attributes:
        level: callers at once, or calls a second.
        opened_s: since the start of the run.
        window_s: what the rates are of: the step less its first fifth, up to where no new calls are made.
        drain_s: from there until all was answered.
        audio_s_per_s: seconds of audio of recordings transcribed in a second. A recording that was under way for part
            of the window counts with that part.
        requests_per_s: recordings, in the same way.
        live_audio_s_per_s: seconds of speech that sockets took in a second.
        done: recordings that were due in the window and were transcribed.
        sent_late: by how much this client sent later than was due; a large one says that the client is too slow.
        latency: of all recordings that were due in the window.
        files, live: by API, and class of lengths; those that were due in the window, and sessions of the whole step.
        refused, failed: in the whole step.
        cores: None where the service's processes are not to be seen.
    """

    level: float
    opened_s: float
    window_s: float
    drain_s: float
    audio_s_per_s: float
    requests_per_s: float
    live_audio_s_per_s: float
    done: int
    sent_late: Percentiles
    latency: Percentiles
    files: tuple[FileFigures, ...]
    live: tuple[LiveFigures, ...]
    refused: tuple[Count, ...]
    failed: tuple[Count, ...]
    cores: Cores | None


def figures_of(
    index: int,
    step: Step,
    settle_s: float,
    files: Sequence[FileCall],
    live: Sequence[LiveCall],
    cores: Cores | None = None,
) -> StepFigures:
    """The figures of a step.

    Args:
        index: of the step.
        step: it must have begun.
        settle_s: left out at its beginning.
        files, live: of the whole run.
        cores: while it was open.
    """
    of_step = [call for call in files if call.step == index]
    sessions = [call for call in live if call.step == index]
    from_s, to_s = step.opened_s + settle_s, step.closes_s
    window_s = to_s - from_s
    done = [call for call in of_step if call.outcome is Outcome.DONE]
    due = [call for call in done if from_s <= call.due_s < to_s]
    parts = [(call, _part_within(call.sent_s, call.ended_s, from_s, to_s)) for call in done]
    spoken_s = sum(call.audio_s * _part_within(call.began_s, call.ended_s, from_s, to_s) for call in sessions)
    return StepFigures(
        level=step.level,
        opened_s=step.opened_s,
        window_s=window_s,
        drain_s=0.0 if step.drained_s is None else step.drained_s - step.closes_s,
        audio_s_per_s=sum(call.audio_s * part for call, part in parts) / window_s,
        requests_per_s=sum(part for _, part in parts) / window_s,
        live_audio_s_per_s=spoken_s / window_s,
        done=len(due),
        sent_late=percentiles([call.sent_s - call.due_s for call in of_step]),
        latency=percentiles([call.latency_s for call in due]),
        files=tuple(_file_figures(due)),
        live=tuple(_live_figures(sessions)),
        refused=_counts(of_step, sessions, Outcome.REFUSED),
        failed=_counts(of_step, sessions, Outcome.FAILED),
        cores=cores,
    )


def percentiles(values_s: Sequence[float]) -> Percentiles:
    """Each is the smallest value that so many do not exceed."""
    if not values_s:
        return Percentiles(None, None, None, None, None)
    p50_s, p90_s, p95_s, p99_s = (percentile(values_s, percent) for percent in (50, 90, 95, 99))
    return Percentiles(p50_s, p90_s, p95_s, p99_s, max(values_s))


def _part_within(began_s: float, ended_s: float, from_s: float, to_s: float) -> float:
    """How much of the time between began and ended lies in the window: 0 to 1."""
    if ended_s <= began_s:
        return float(from_s <= ended_s < to_s)
    return max(min(ended_s, to_s) - max(began_s, from_s), 0.0) / (ended_s - began_s)


def _file_figures(done: Sequence[FileCall]) -> Iterable[FileFigures]:
    for api in dict.fromkeys(sorted(call.api.value for call in done)):
        of_api = [call for call in done if call.api == api]
        for length in LENGTH_CLASSES:
            calls = [call for call in of_api if call.length == length]
            if calls:
                yield _row(api, length, calls, [call.latency_s for call in calls])
        accepted_s = [call.accepted_s - call.due_s for call in of_api if call.accepted_s is not None]
        if accepted_s:
            yield _row(api + ACCEPTED, ALL, of_api, accepted_s)


def _row(api: str, length: str, calls: Sequence[FileCall], latencies_s: Sequence[float]) -> FileFigures:
    return FileFigures(api, length, len(calls), sum(not call.has_text for call in calls), percentiles(latencies_s))


def _live_figures(sessions: Sequence[LiveCall]) -> Iterable[LiveFigures]:
    for api in dict.fromkeys(sorted(call.api.value for call in sessions)):
        calls = [call for call in sessions if call.api == api and call.outcome is Outcome.DONE]
        heard = sum((call.heard for call in calls), Latencies())
        yield LiveFigures(
            api,
            len(calls),
            sum(call.audio_s for call in calls),
            heard.utterances,
            heard.missed,
            percentiles(heard.first_s),
            percentiles(heard.partial_s),
            percentiles(heard.final_s),
        )


def _counts(files: Sequence[FileCall], live: Sequence[LiveCall], outcome: Outcome) -> tuple[Count, ...]:
    calls: list[FileCall | LiveCall] = [*files, *live]
    counted = Counter((call.api.value, call.caller, call.reason) for call in calls if call.outcome is outcome)
    return tuple(Count(*what, count) for what, count in sorted(counted.items()))
