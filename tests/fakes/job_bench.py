"""Jobs on a real database, under a clock that the test moves."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.contracts import Segment, Transcript, TranscriptionRequest, Usage, Word
from serve_app.access.ledger import Ledger
from serve_app.access.plans import UNLIMITED
from serve_app.access.visit import Caller, Visit
from serve_app.jobs.audio import AudioFolder
from serve_app.jobs.billing import LedgerBiller
from serve_app.jobs.contact import DatabaseContact
from serve_app.jobs.contracts import Callback, Job, JobFailure, JobOrder
from serve_app.jobs.outbox import Outbox
from serve_app.jobs.queue import JobQueue
from serve_app.jobs.rows import new_job_id
from serve_app.jobs.store import JobStore
from serve_app.jobs.sweeper import Sweeper
from serve_app.settings import AccessSettings, JobSettings
from serve_app.storage.database import Database
from serve_app.storage.tables import USERS

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
WORD = Word("Hello.", 0.1, 0.4, 0.9)
START_S = 1_700_000_000.0


@dataclass
class FakeClock:
    """The database's clock, as a hand that tests move."""

    now_s: float = START_S

    async def __call__(self, _: AsyncConnection) -> float:
        return self.now_s


class PlainForms:
    """A dialect's webhooks, as short as they can be."""

    def completed(self, job: Job, transcript: Transcript) -> dict[str, Any]:
        return {"job_id": job.id, "status": "success", "text": transcript.text, "extra": job.order.callback.extra}

    def failed(self, job: Job, failure: JobFailure) -> dict[str, Any]:
        return {"job_id": job.id, "status": "failed", "error": failure.message}


FORMS = {"plain": PlainForms()}


def transcript_of(request: TranscriptionRequest, text: str = "Hello.") -> Transcript:
    return Transcript(
        request_id=request.request_id,
        text=text,
        language="en",
        duration_s=2.0,
        segments=(Segment(0.1, 0.4, text, "en", (WORD,)),),
        turns=(),
        snr_db=None,
        warnings=(),
        usage=Usage(2.0),
    )


def order(request_id: str, url: str = "https://example.com/hook", **callback: Any) -> JobOrder:
    return JobOrder("plain", TranscriptionRequest(request_id), "{}", Callback(url, **callback))


def visit(user: str) -> Visit:
    return Visit(Caller(f"user_{user}", user, "local", "key_1"), UNLIMITED, "plain")


async def add_user(database: Database, name: str) -> None:
    async with database.writing() as connection:
        await connection.execute(
            insert(USERS).values(
                id=f"user_{name}", name=name, plan="local", balance_micros=0, webhook_secret=SECRET, created_at_s=0.0
            )
        )


@dataclass
class JobBench:
    """All of jobs but what runs them."""

    database: Database
    folder: Path
    settings: JobSettings = field(default_factory=lambda: JobSettings(lease_s=15.0, max_attempts=3))
    give_up_deliveries_after_s: float = 300.0
    clock: FakeClock = field(default_factory=FakeClock)
    access: AccessSettings = field(default_factory=AccessSettings)

    def __post_init__(self) -> None:
        ledger = Ledger(self.database, billing=self.access.billing, clock=lambda: self.clock.now_s)
        self.store = JobStore(self.database, self.settings.max_queued_per_user, self.clock)
        self._biller = LedgerBiller(ledger, self.access)
        # Of leases that last no time: in touch with the database, whatever time it is.
        self.queue = self.queue_of(DatabaseContact(0.0))
        self.outbox = Outbox(self.database, self.give_up_deliveries_after_s, 45.0, self.clock)
        self.audio = AudioFolder(self.folder / "audio")
        self.sweeper = Sweeper(self.database, self.audio, self.settings, self.clock)
        self._accepted = 0

    def queue_of(self, contact: DatabaseContact) -> JobQueue:
        """Of a runner."""
        return JobQueue(self.database, self.settings, FORMS, self._biller, contact, self.clock)

    async def accept(self, user: str = "ann", a_second_later: bool = True, **callback: Any) -> Job:
        """One more job of a user; each comes a second after the last."""
        self._accepted += 1
        self.clock.now_s += a_second_later
        job_id = new_job_id(self.clock.now_s)
        return await self.store.accept(job_id, visit(user), order(f"req_{self._accepted}", **callback))

    def pass_time(self, seconds: float) -> None:
        self.clock.now_s += seconds
