"""Jobs in the usage ledger: priced by the plan of the request that brought them."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.contracts import Transcript
from serve_app.access.ledger import Ledger
from serve_app.access.metering import outcome_of
from serve_app.access.pricing import Charge
from serve_app.jobs.contracts import Job
from serve_app.settings import AccessSettings


class LedgerBiller:
    """Implements Biller."""

    def __init__(self, ledger: Ledger, access: AccessSettings) -> None:
        self._ledger = ledger
        self._access = access

    async def check(self, job: Job) -> None:
        """See Biller."""
        await self._ledger.check(job.user_id, self._access.plan_of(job.plan_name))

    async def bill(self, connection: AsyncConnection, job: Job, transcript: Transcript) -> None:
        """See Biller; the ledger takes each job once."""
        charge = Charge(
            id=job.id,
            user_id=job.user_id,
            key_id=job.key_id,
            dialect=job.order.dialect,
            audio_s=transcript.duration_s,
            billable_s=transcript.usage.billable_s,
            diarized=job.order.request.diarize,
            outcome=outcome_of(transcript),
        )
        await self._ledger.record(charge, self._access.plan_of(job.plan_name), connection)
