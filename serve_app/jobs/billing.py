"""Jobs in the usage ledger: priced by the plan of the request that brought them."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.contracts import Transcript
from serve_app.access.ledger import Ledger
from serve_app.access.metering import charge_of
from serve_app.access.visit import Caller, Visit
from serve_app.jobs.contracts import Job
from serve_app.settings import AccessSettings


class LedgerBiller:
    """Implements Biller."""

    def __init__(self, ledger: Ledger, access: AccessSettings) -> None:
        self._ledger = ledger
        self._access = access

    async def bill(self, connection: AsyncConnection, job: Job, transcript: Transcript) -> None:
        """See Biller; the ledger takes each job once."""
        plans = self._access.plans
        # Settings may have lost the plan since.
        plan = plans.get(job.plan_name) or plans[self._access.default_plan]
        visit = Visit(Caller(job.user_id, "", job.plan_name, job.key_id), plan, job.order.dialect)
        await self._ledger.record(charge_of(job.id, visit, job.order.request, transcript), plan, connection)
