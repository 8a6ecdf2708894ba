from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select

from deployments.contracts import TranscriptionRequest
from deployments.errors import ServiceUnavailable
from serve_app.access.ledger import Ledger
from serve_app.access.metering import LedgerMeter
from serve_app.access.plans import UNLIMITED
from serve_app.access.pricing import Charge, Outcome
from serve_app.access.users import UserStore
from serve_app.access.visit import Caller, Visit
from serve_app.settings import AccessSettings
from serve_app.storage.database import Database
from serve_app.storage.tables import LEDGER
from tests.fakes.job_bench import transcript_of

pytestmark = pytest.mark.unit


async def test_a_session_is_in_the_ledger_once_however_often_it_is_told(database: Database) -> None:
    user = await UserStore(database, AccessSettings()).ensure("ann")
    visit = Visit(Caller(user.id, user.name, user.plan_name), UNLIMITED, "openai")
    charge = Charge("session-1", user.id, None, "openai", 9.0, 8.0, diarized=False, outcome=Outcome.COMPLETED)
    meter = LedgerMeter(Ledger(database, billing=False))
    meter.note(visit, charge)
    await meter.close()
    receipt = await meter.record(visit, charge)
    assert (receipt.id, receipt.billed_s) == ("session-1", 8.0)
    meter.note(visit, charge)
    await meter.close()
    async with database.reading() as connection:
        rows = (await connection.execute(select(LEDGER.c.id, LEDGER.c.billable_s))).all()
    assert [tuple(row) for row in rows] == [("session-1", 8.0)]


async def test_requests_to_which_their_client_gave_one_id_are_each_charged(database: Database) -> None:
    user = await UserStore(database, AccessSettings()).ensure("ann")
    visit = Visit(Caller(user.id, user.name, user.plan_name), UNLIMITED, "openai")
    request = TranscriptionRequest("the-same-id")
    meter = LedgerMeter(Ledger(database, billing=False))
    for _ in range(2):
        await meter.completed(visit, request, transcript_of(request))
    async with database.reading() as connection:
        seconds = (await connection.execute(select(LEDGER.c.billable_s))).scalars().all()
    assert seconds == [2.0, 2.0]


@pytest.mark.parametrize(
    ("error", "told_s", "row"),
    [
        (asyncio.CancelledError(), 12.0, ("completed", 12.0, 12.0)),
        (asyncio.CancelledError(), 0.0, ("cancelled", 0.0, 0.0)),
        (ServiceUnavailable("away"), 12.0, ("unavailable", 0.0, 0.0)),
    ],
)
async def test_who_leaves_pays_for_the_words_that_he_was_told(
    database: Database, error: BaseException, told_s: float, row: tuple[str, float, float]
) -> None:
    user = await UserStore(database, AccessSettings()).ensure("ann")
    visit = Visit(Caller(user.id, user.name, user.plan_name), UNLIMITED, "openai")
    meter = LedgerMeter(Ledger(database, billing=False))
    meter.failed(visit, TranscriptionRequest("left"), error, told_s)
    await meter.close()
    async with database.reading() as connection:
        columns = select(LEDGER.c.outcome, LEDGER.c.audio_s, LEDGER.c.billable_s)
        found = (await connection.execute(columns)).one()
    assert tuple(found) == row
