"""Everything behind the dialects, in memory: one conversation is the answer to every recording."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import date

import httpx
import numpy as np
import numpy.typing as npt

from deployments.contracts import (
    Segment,
    SpeakerTurn,
    Transcript,
    TranscriptionRequest,
    TranscriptionWarning,
    Usage,
    Word,
)
from deployments.errors import NotFound, RayscribeError, SourceRefused, Unauthenticated
from serve_app.access.plans import UNLIMITED, Plan
from serve_app.access.usage import UsageReport, UsageRow
from serve_app.access.visit import Caller, ClientSecret, RateState, Visit
from serve_app.admission import Admission
from serve_app.byte_budget import ByteBudget
from serve_app.dialects.registry import CALLBACK_FORMS
from serve_app.health import StageHealth, StageState
from serve_app.ingress import make_app
from serve_app.jobs.contracts import Callback, Job, JobOrder, JobStatus
from serve_app.jobs.desk import check_callback
from serve_app.outbound.guard import AddressGuard
from serve_app.pipeline import SegmentSink
from serve_app.services import Services
from serve_app.settings import LimitSettings, Settings
from serve_app.transcriptions import Transcriptions
from tests.fakes.live import FakeLiveService

WORDS = (
    Word("Hello,", 0.1, 0.4, 0.9, "SPEAKER_00"),
    Word("there.", 0.5, 0.9, 0.8, "SPEAKER_00"),
    Word("Yes.", 1.0, 1.3, 0.7, "SPEAKER_01"),
)
SEGMENTS = (
    Segment(0.1, 0.9, "Hello, there.", "en", WORDS[:2], "SPEAKER_00"),
    Segment(1.0, 1.3, "Yes.", "en", WORDS[2:], "SPEAKER_01"),
)
TURNS = (SpeakerTurn("SPEAKER_00", 0.0, 0.95), SpeakerTurn("SPEAKER_01", 0.95, 1.4))


@dataclass
class FakePipeline:
    """Answers every request with one conversation, or with an error, when the gate is open."""

    error: RayscribeError | Exception | None = None
    warnings: tuple[TranscriptionWarning, ...] = ()
    segments: tuple[Segment, ...] = SEGMENTS
    snr_db: float | None = 20.0
    duration_s: float = 1.5
    requests: list[TranscriptionRequest] = field(default_factory=list)
    audio: list[bytes] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    arrivals: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    def __post_init__(self) -> None:
        self.gate.set()

    async def transcribe(
        self,
        request: TranscriptionRequest,
        audio: npt.NDArray[np.uint8],
        on_segments: SegmentSink | None = None,
    ) -> Transcript:
        self.requests.append(request)
        self.audio.append(audio.tobytes())
        self.arrivals.release()
        await self.gate.wait()
        if self.error:
            raise self.error
        segments = self.segments if request.diarize else tuple(_without_speaker(each) for each in self.segments)
        if on_segments is not None:
            for segment in segments:
                await on_segments((segment,))
        return Transcript(
            request_id=request.request_id,
            text=" ".join(segment.text for segment in segments),
            language="en" if segments else None,
            duration_s=self.duration_s,
            segments=segments,
            turns=TURNS if request.diarize else (),
            snr_db=self.snr_db,
            warnings=self.warnings,
            usage=Usage(self.duration_s if segments else 0.0),
        )


def _without_speaker(segment: Segment) -> Segment:
    return replace(segment, speaker=None, words=tuple(replace(word, speaker=None) for word in segment.words))


@dataclass
class FakeMeter:
    """Remembers what was metered; raises ``error`` instead when there is one."""

    error: RayscribeError | None = None
    transcripts: list[Transcript] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)
    told_s: list[float] = field(default_factory=list)

    async def completed(self, visit: Visit, request: TranscriptionRequest, transcript: Transcript) -> None:
        if self.error:
            raise self.error
        self.transcripts.append(transcript)

    def failed(self, visit: Visit, request: TranscriptionRequest, error: BaseException, told_s: float) -> None:
        self.failures.append(error)
        self.told_s.append(told_s)


@dataclass
class FakeAccess:
    """Lets everybody in under one plan, or nobody; knows one key when ``key`` is set, and the secrets that it made."""

    plan: Plan = UNLIMITED
    key: str | None = None
    rate: RateState | None = None
    error: RayscribeError | None = None
    visitors: int = 0
    dialects: list[str] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)
    lifetimes_s: list[float] = field(default_factory=list)
    checked_again: list[Visit] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def admitted(
        self, credential: str | None, dialect: str, *, takes_secrets: bool = False
    ) -> AsyncIterator[Visit]:
        session = self.secrets.get(credential or "") if takes_secrets else None
        caller = await self.identified(credential if session is None else self.key)
        if self.error:
            raise self.error
        self.visitors += 1
        self.dialects.append(dialect)
        try:
            yield Visit(caller, self.plan, dialect, self.rate, session)
        finally:
            self.visitors -= 1

    async def identified(self, credential: str | None) -> Caller:
        if self.key is not None and credential != self.key:
            raise Unauthenticated(credential is None)
        return Caller("user-1", "local", "local")

    async def check_again(self, visit: Visit) -> None:
        self.checked_again.append(visit)
        if self.error:
            raise self.error

    async def make_secret(self, caller: Caller, session: str, lifetime_s: float) -> ClientSecret:
        value = f"ek_{len(self.secrets)}"
        self.secrets[value] = session
        self.lifetimes_s.append(lifetime_s)
        return ClientSecret(value, 1_800_000_000.0 + lifetime_s)


@dataclass
class FakeSources:
    """Fetches from a dictionary."""

    files: dict[str, bytes] = field(default_factory=dict)
    error: RayscribeError | None = None
    fetched: list[tuple[str, int | None]] = field(default_factory=list)

    async def fetch(self, url: str, max_bytes: int | None = None) -> npt.NDArray[np.uint8]:
        self.fetched.append((url, max_bytes))
        if self.error:
            raise self.error
        if url not in self.files:
            raise SourceRefused("the server says 404")
        return np.frombuffer(self.files[url], np.uint8)


@dataclass
class FakeJobs:
    """Keeps jobs and never runs them."""

    error: RayscribeError | None = None
    jobs: dict[str, Job] = field(default_factory=dict)
    audio: dict[str, bytes] = field(default_factory=dict)

    def check_callback(self, callback: Callback) -> None:
        check_callback(callback, AddressGuard())

    async def accept(self, visit: Visit, order: JobOrder, audio: npt.NDArray[np.uint8]) -> Job:
        if self.error:
            raise self.error
        job = Job(f"job_{len(self.jobs)}", visit.caller.user_id, order, JobStatus.QUEUED, 0, 1_700_000_000.0)
        self.jobs[job.id] = job
        self.audio[job.id] = audio.tobytes()
        return job

    async def find(self, caller: Caller, job_id: str) -> Job:
        if job_id not in self.jobs:
            raise NotFound("job", job_id)
        return self.jobs[job_id]

    async def recent(self, caller: Caller, limit: int, before: str | None = None) -> tuple[Job, ...]:
        return tuple(reversed(self.jobs.values()))[:limit]

    async def cancel(self, caller: Caller, job_id: str) -> Job:
        self.jobs[job_id] = replace(await self.find(caller, job_id), status=JobStatus.CANCELLED)
        return self.jobs[job_id]


@dataclass
class FakeUsage:
    """Reports what was put in."""

    rows: tuple[UsageRow, ...] = ()

    async def usage(self, user_id: str | None, since: date, until: date) -> UsageReport:
        return UsageReport(since, until, tuple(row for row in self.rows if since <= row.day <= until))


@dataclass
class Edge:
    """The app with every dialect, a client for it, and what is behind it."""

    settings: Settings = field(default_factory=lambda: Settings(limits=LimitSettings(max_bytes=10_000)))
    pipeline: FakePipeline = field(default_factory=FakePipeline)
    meter: FakeMeter = field(default_factory=FakeMeter)
    access: FakeAccess = field(default_factory=FakeAccess)
    sources: FakeSources = field(default_factory=FakeSources)
    jobs: FakeJobs = field(default_factory=FakeJobs)
    usage: FakeUsage = field(default_factory=FakeUsage)
    live: FakeLiveService = field(default_factory=FakeLiveService)
    stages: dict[str, StageState] = field(
        default_factory=lambda: {"Ingress": StageState(1, 1), "Recognizer": StageState(1, 1)}
    )
    health_age_s: float = 0.0
    incomplete_s: float = 0.0
    max_requests: int = 2
    upload_bytes: ByteBudget = field(default_factory=lambda: ByteBudget(4 * 1024 * 1024))

    def __post_init__(self) -> None:
        async def probe() -> StageHealth:
            if not self.stages:
                raise TimeoutError
            return StageHealth(self.stages, self.health_age_s, self.incomplete_s)

        self.app = make_app(
            Services(
                settings=self.settings,
                transcriptions=Transcriptions(self.pipeline, self.meter),
                health=probe,
                admission=Admission(self.max_requests),
                upload_bytes=self.upload_bytes,
                sockets=Admission(self.settings.live.max_sessions),
                access=self.access,
                sources=self.sources,
                jobs=self.jobs,
                usage=self.usage,
                live=self.live,
                callback_forms=CALLBACK_FORMS,
            )
        )
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://rayscribe")
