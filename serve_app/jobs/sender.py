"""Delivers what is in the outbox."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from opentelemetry.trace import SpanKind

from deployments import service_log as log
from deployments.errors import RayscribeError, SourceRejected
from deployments.signal_table import WEBHOOK_ATTEMPTS, WEBHOOK_TIME
from deployments.signals import SILENT, Signals
from deployments.tracing import annotate, begun_span, note_failure, trace_headers
from serve_app.cluster import adopt_request_id
from serve_app.jobs.contracts import DeliveryState
from serve_app.jobs.outbox import AttemptOutcome, DueDelivery, Outbox
from serve_app.jobs.retries import Fraction, equal_jitter_s
from serve_app.jobs.signing import signed_headers
from serve_app.outbound.client import Acknowledgement
from serve_app.settings import WebhookSettings

_GONE = 410


class WebhookClient(Protocol):
    """Makes one request to a host that a caller named."""

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float
    ) -> Acknowledgement:
        """Send, and follow no redirect.

        Raises:
            RayscribeError: there was no answer; its message names the host at most.
        """
        ...


class WebhookSender:
    """Some attempts at once. ``deliver_due`` is called by a loop; attempts run in tasks of their own.

    An answer of 2xx is a success, and 410 (Gone) the end. Anything else, redirects among them, is tried again after a
    time that doubles, with jitter; a webhook that says Retry-After is not asked earlier, within longest_retry_s.
    """

    def __init__(
        self,
        outbox: Outbox,
        client: WebhookClient,
        settings: WebhookSettings,
        *,
        on_end: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
        fraction: Fraction = random.random,
        signals: Signals = SILENT,
    ) -> None:
        """``on_end`` is called when an attempt ended; clock gives seconds since 1970, for the receivers."""
        self._outbox = outbox
        self._client = client
        self._settings = settings
        self._on_end = on_end
        self._clock = clock
        self._fraction = fraction
        self._signals = signals
        self._attempts: set[asyncio.Task[None]] = set()

    async def deliver_due(self) -> None:
        """Begin attempts that are due, as far as there is room."""
        room = self._settings.concurrent_deliveries - len(self._attempts)
        if room <= 0:
            return
        for delivery in await self._outbox.claim(room):
            task = asyncio.create_task(self._begin(delivery))
            self._attempts.add(task)
            task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """End the attempts that are under way; each is on record, and made again soon."""
        stopping = list(self._attempts)
        for task in stopping:
            task.cancel()
        await asyncio.gather(*stopping, return_exceptions=True)

    async def _begin(self, delivery: DueDelivery) -> None:
        """Make an attempt in the trace of the request that brought the job."""
        adopt_request_id(delivery.request_id)
        span = begun_span("webhook", delivery.trace, SpanKind.CLIENT, attempt=delivery.number)
        with span, log.bound(job=delivery.job_id):
            await self.attempt(delivery)

    async def attempt(self, delivery: DueDelivery) -> None:
        """Make one attempt, and write down what became of it."""
        begun_s = time.monotonic()
        try:
            answer = await self._send(delivery)
        except asyncio.CancelledError:
            duration_s = time.monotonic() - begun_s
            outcome = AttemptOutcome(
                DeliveryState.PENDING, duration_s, error="the service was stopped", broken_off=True
            )
            self._signals.count(WEBHOOK_ATTEMPTS, outcome="stopped")
            await self._outbox.settle(delivery, outcome)
            raise
        except RayscribeError as error:
            # str() of a SourceRejected says that audio could not be fetched.
            reason = error.reason if isinstance(error, SourceRejected) else str(error)
            outcome = self._again(delivery, begun_s, error=reason)
            note_failure(error)
        else:
            outcome = self._answered(delivery, answer, begun_s)
        self._signals.count(WEBHOOK_ATTEMPTS, outcome=_label_of(outcome))
        self._signals.observe(WEBHOOK_TIME, outcome.duration_s)
        annotate(outcome=_label_of(outcome))
        log.info(
            "webhook attempt",
            delivery=delivery.id,
            attempt=delivery.number,
            outcome=_label_of(outcome),
            http_status=outcome.status,
            seconds=round(outcome.duration_s, 3),
        )
        await self._outbox.settle(delivery, outcome)

    async def _send(self, delivery: DueDelivery) -> Acknowledgement:
        body = delivery.body.encode()
        headers = signed_headers(delivery.secret, delivery.id, self._clock(), body)
        headers["user-agent"] = "Rayscribe"
        headers |= trace_headers()
        if body:
            headers["content-type"] = "application/json"
        return await self._client.send(delivery.method, delivery.url, headers, body, self._settings.timeout_s)

    def _answered(self, delivery: DueDelivery, answer: Acknowledgement, begun_s: float) -> AttemptOutcome:
        if not 200 <= answer.status < 300 and answer.status != _GONE:
            return self._again(delivery, begun_s, status=answer.status, not_before_s=answer.retry_after_s or 0.0)
        state = DeliveryState.FAILED if answer.status == _GONE else DeliveryState.DELIVERED
        return AttemptOutcome(state, time.monotonic() - begun_s, answer.status)

    def _again(
        self,
        delivery: DueDelivery,
        begun_s: float,
        *,
        status: int | None = None,
        error: str | None = None,
        not_before_s: float = 0.0,
    ) -> AttemptOutcome:
        settings = self._settings
        backoff_s = equal_jitter_s(delivery.number, settings.first_retry_s, settings.longest_retry_s, self._fraction)
        retry_in_s = max(backoff_s, min(not_before_s, settings.longest_retry_s))
        return AttemptOutcome(DeliveryState.PENDING, time.monotonic() - begun_s, status, error, retry_in_s)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._attempts.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # Its time runs out, and it is made again.
            log.error("webhook attempt cannot be written down", error)
        self._on_end()


def _label_of(outcome: AttemptOutcome) -> str:
    if outcome.state is DeliveryState.DELIVERED:
        return "delivered"
    if outcome.state is DeliveryState.FAILED:
        return "gone"
    return "unanswered" if outcome.status is None else "refused"
