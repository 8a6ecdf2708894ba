"""Writes every request to the usage ledger."""

from __future__ import annotations

import asyncio
import contextvars
import uuid

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from deployments import service_log as log
from deployments.contracts import Transcript, TranscriptionRequest, WarningCode
from deployments.errors import ServiceUnavailable
from serve_app.access.ledger import Ledger, Receipt
from serve_app.access.pricing import Charge, Outcome
from serve_app.access.visit import Visit
from serve_app.request_log import this_request

# Work that is done is worth waiting for a database that restarts.
_PATIENCE_S = 15.0
_MAX_NOTES = 1000


class LedgerMeter:
    """Implements Meter."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._notes: set[asyncio.Task[None]] = set()

    async def completed(self, visit: Visit, request: TranscriptionRequest, transcript: Transcript) -> None:
        """See Meter."""
        charge = Charge.of(
            visit,
            _new_id(),
            outcome_of(transcript),
            audio_s=transcript.duration_s,
            billable_s=transcript.usage.billable_s,
            diarized=request.diarize,
        )
        this_request().charge = charge.id
        await self.record(visit, charge)

    def failed(self, visit: Visit, request: TranscriptionRequest, error: BaseException, told_s: float) -> None:
        """See Meter. Requests that were wrong from the start are not noted: they would let anybody fill the ledger."""
        is_gone = isinstance(error, asyncio.CancelledError)
        if is_gone:
            outcome = Outcome.COMPLETED if told_s else Outcome.CANCELLED
        elif isinstance(error, ServiceUnavailable):
            outcome = Outcome.UNAVAILABLE
        else:
            return
        if len(self._notes) >= _MAX_NOTES:
            log.warning("failed request not in the ledger", reason="too many wait to be written")
            return
        had_s = told_s if is_gone else 0.0
        charge = Charge.of(visit, _new_id(), outcome, audio_s=had_s, billable_s=had_s, diarized=request.diarize)
        self.note(visit, charge)

    async def record(self, visit: Visit, charge: Charge) -> Receipt:
        """Write a charge down; doing so twice charges once, and gives the first receipt again.

        Raises:
            ServiceUnavailable: the database does not answer.
        """
        async for trial in AsyncRetrying(
            retry=retry_if_exception_type(ServiceUnavailable),
            stop=stop_after_delay(_PATIENCE_S),
            wait=wait_random_exponential(multiplier=0.1, max=2.0),
            reraise=True,
        ):
            with trial:
                return await self._ledger.record(charge, visit.plan)
        raise AssertionError("tenacity ends by returning or raising")

    def note(self, visit: Visit, charge: Charge) -> None:
        """Write a charge down beside what goes on; returns at once, also in a cancelled task."""
        # A context of its own: Serve cancels what a request started when its client goes away.
        note = asyncio.create_task(self._noted(charge, visit), context=contextvars.Context())
        self._notes.add(note)
        note.add_done_callback(self._notes.discard)

    async def close(self) -> None:
        """Wait for what is being written; each write ends by itself."""
        await asyncio.gather(*self._notes, return_exceptions=True)

    async def _noted(self, charge: Charge, visit: Visit) -> None:
        try:
            await self.record(visit, charge)
        except ServiceUnavailable:
            log.warning("failed request not in the ledger", reason="the database does not answer")


def outcome_of(transcript: Transcript) -> Outcome:
    """How a request ended that has a transcript: without speech it is worth nothing."""
    if WarningCode.LOW_SNR_DROPPED in {warning.code for warning in transcript.warnings}:
        return Outcome.LOW_SNR
    return Outcome.COMPLETED if transcript.usage.billable_s > 0 else Outcome.NO_SPEECH


def _new_id() -> str:
    return f"charge_{uuid.uuid4().hex}"
