"""Forms batches over the work of all requests; knows neither Ray nor the engine.

Work-conserving: a free slot takes what is waiting at once, so that batches grow by themselves while all slots are
busy and an idle service adds no wait. Within a priority, requests share the engine fairly by weighted fair queueing
(Demers, Keshav & Shenker 1989): virtual time is what each request that waits should have been given by now, whoever
comes begins there, and the one that is furthest behind is next. So a two-hour file does not starve a five-second one,
and however many of these come one after the other, they do not starve the file. A batch that runs cannot be stopped,
and one of files takes seconds on a CPU, one of partial texts a third of one; so that no final waits for either, each
priority has slots and batches of its own. All methods belong to one event loop.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from deployments.errors import DeadlineExceeded, Overloaded
from deployments.recognition.batches import BatchLimits, BatchObserver, BatchReport, BatchStats, Priority
from deployments.work_meter import BusyTime

# Items of other lengths leave room in batches that could not be larger.
_FULL = 0.75

Payload = TypeVar("Payload")
Result = TypeVar("Result")


@dataclass(slots=True)
class _Item(Generic[Payload, Result]):
    payload: Payload
    duration_s: float
    submitted_s: float
    deadline_s: float
    future: asyncio.Future[Result]
    origin: contextvars.Context


@dataclass(slots=True)
class _Flow(Generic[Payload, Result]):
    """The waiting items of one submission; start_tag is the virtual time at which it is due its next one."""

    priority: Priority
    order: int
    start_tag: float
    items: deque[_Item[Payload, Result]] = field(default_factory=deque)

    @property
    def rank(self) -> tuple[float, int]:
        return (self.start_tag, self.order)


class _Unobserved:
    """Implements BatchObserver."""

    def waiting(self, queued_s: float, running_batches: int) -> None:
        """See BatchObserver."""

    def ran(self, report: BatchReport) -> None:
        """See BatchObserver."""


class Batcher(Generic[Payload, Result]):
    """Runs ``run(payloads) -> results`` in threads, over batches of what several callers submit.

    Args:
        run: called in a thread with up to max_items payloads; returns as many results, in order.
        limits: see BatchLimits.
        observer: see there.
        clock: in seconds, of what is measured; deadlines go by the loop's.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Payload]], Sequence[Result]],
        limits: BatchLimits,
        observer: BatchObserver | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run = run
        self._limits = limits
        self._observer = observer or _Unobserved()
        self._clock = clock
        threads = sum(limits.slots_of(priority) for priority in Priority)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="batch")
        self._flows: list[_Flow[Payload, Result]] = []
        self._running: dict[Priority, set[asyncio.Task[None]]] = {priority: set() for priority in Priority}
        self._orders = itertools.count()
        self._virtual_times = dict.fromkeys(Priority, 0.0)
        self._last_shares_s = dict.fromkeys(Priority, 0.0)
        self._queued_s = 0.0
        self._busy, self._live_busy = BusyTime(), BusyTime()
        self._worked_s = 0.0
        self._done_s = 0.0
        self._full_worked_s = 0.0
        self._full_done_s = 0.0
        self._calls_inside = 0
        self._calls = 0

    @property
    def stats(self) -> BatchStats:
        """What waits now, and what was done until now; calls are submissions."""
        live_s = sum(item.duration_s for flow in self._flows if flow.priority.is_live for item in flow.items)
        now_s = self._clock()
        return BatchStats(
            slots=self._limits.slots,
            waiting=self._queued_s,
            inside=self._calls_inside,
            busy_s=self._busy.total_s(now_s),
            worked_s=self._worked_s,
            done=self._done_s,
            calls=self._calls,
            cpu_s=time.process_time(),
            live_waiting=live_s,
            live_busy_s=self._live_busy.total_s(now_s),
            full_worked_s=self._full_worked_s,
            full_done=self._full_done_s,
        )

    async def submit(
        self, payloads: Sequence[tuple[Payload, float]], *, timeout_s: float, priority: Priority = Priority.FILE
    ) -> list[Result]:
        """Results for (payload, seconds of audio) pairs, in order.

        Cancelling the call drops what has not started; what runs is finished and thrown away.

        Raises:
            Overloaded: the queue is full.
            DeadlineExceeded: an item was still waiting after timeout_s.
        """
        if not payloads:
            return []
        duration_s = sum(seconds for _, seconds in payloads)
        if self._queued_s + duration_s > self._limits.max_queued_s:
            raise Overloaded("The recognition queue is full")
        loop = asyncio.get_running_loop()
        flow: _Flow[Payload, Result] = _Flow(priority, next(self._orders), self._virtual_times[priority])
        futures = []
        origin = contextvars.copy_context()
        now_s, deadline_s = self._clock(), loop.time() + timeout_s
        for payload, seconds in payloads:
            future: asyncio.Future[Result] = loop.create_future()
            futures.append(future)
            flow.items.append(_Item(payload, seconds, now_s, deadline_s, future, origin))
        self._queued_s += duration_s
        self._flows.append(flow)
        self._calls_inside += 1
        try:
            self._dispatch()
            results = list(await asyncio.gather(*futures))
            self._calls += 1
            return results
        finally:
            self._calls_inside -= 1
            self._forget(flow)
            self._tell_load()
            for future in futures:
                future.cancel()

    async def close(self) -> None:
        """Cancel what waits, wait for what runs."""
        for flow in self._flows:
            for item in flow.items:
                item.future.cancel()
        self._flows.clear()
        if running := set().union(*self._running.values()):
            await asyncio.wait(running)
        self._threads.shutdown()

    def _forget(self, flow: _Flow[Payload, Result]) -> None:
        if flow in self._flows:
            self._flows.remove(flow)
        self._queued_s = max(0.0, self._queued_s - sum(item.duration_s for item in flow.items))
        flow.items.clear()

    def _dispatch(self) -> None:
        """Give every free slot a batch."""
        self._drop_stale()
        for priority, running in self._running.items():
            while free_slots := self._limits.slots_of(priority) - len(running):
                batch = self._next_batch(priority, free_slots)
                if not batch:
                    break
                self._start(batch, priority)
        self._tell_load()

    def _tell_load(self) -> None:
        self._observer.waiting(self._queued_s, sum(map(len, self._running.values())))

    def _start(self, batch: list[_Item[Payload, Result]], priority: Priority) -> None:
        # In a context of its own: a batch serves many requests and must not be cancelled with one of them.
        task = asyncio.create_task(self._run_batch(batch, priority), context=contextvars.Context())
        running = self._running[priority]
        running.add(task)
        self._occupy(priority, 1)

        def free_slot(_: asyncio.Task[None]) -> None:
            running.discard(task)
            self._occupy(priority, -1)
            self._dispatch()

        task.add_done_callback(free_slot)

    def _occupy(self, priority: Priority, by: int) -> None:
        now_s = self._clock()
        self._busy.change(by, now_s)
        if priority.is_live:
            self._live_busy.change(by, now_s)

    def _next_batch(self, priority: Priority, free_slots: int) -> list[_Item[Payload, Result]]:
        """The fairest next item of a priority, and others of similar length in fair order."""
        flows = [flow for flow in self._flows if flow.priority is priority]
        # Leave the other free slots something to do: on a CPU two small batches beat one large one.
        most = min(self._limits.max_items, math.ceil(sum(len(flow.items) for flow in flows) / free_slots))
        # Only now: who came while that batch ran is due before those whom it gave more than a share.
        self._virtual_times[priority] += self._last_shares_s[priority]
        batch: list[_Item[Payload, Result]] = []
        shut: set[int] = set()  # flows whose next item does not fit this batch
        while len(batch) < most:
            open_flows = [flow for flow in flows if flow.items and flow.order not in shut]
            if not open_flows:
                break
            flow = min(open_flows, key=lambda candidate: candidate.rank)
            if batch and not self._fits(batch, flow.items[0]):
                shut.add(flow.order)
                continue
            batch.append(self._take(flow))
        self._last_shares_s[priority] = sum(item.duration_s for item in batch) / max(1, len(flows))
        return batch

    def _fits(self, batch: Sequence[_Item[Payload, Result]], item: _Item[Payload, Result]) -> bool:
        durations = [*(member.duration_s for member in batch), item.duration_s]
        longest, shortest = max(durations), min(durations)
        if longest * len(durations) > self._limits.max_padded_s:
            return False
        return longest <= self._limits.max_stretch * shortest

    def _take(self, flow: _Flow[Payload, Result]) -> _Item[Payload, Result]:
        item = flow.items.popleft()
        flow.start_tag += item.duration_s
        self._queued_s -= item.duration_s
        if not flow.items:
            self._flows.remove(flow)
        return item

    def _drop_stale(self) -> None:
        """Cancelled and expired items never reach the engine."""
        for flow in self._flows:
            kept: deque[_Item[Payload, Result]] = deque()
            for item in flow.items:
                if _is_stale(item):
                    self._queued_s -= item.duration_s
                else:
                    kept.append(item)
            flow.items = kept
        self._flows = [flow for flow in self._flows if flow.items]

    async def _run_batch(self, batch: Sequence[_Item[Payload, Result]], priority: Priority) -> None:
        loop = asyncio.get_running_loop()
        # Not the loop's time: uvloop's counts whole milliseconds, and a batch on a GPU takes few of them.
        begun_s = self._clock()
        try:
            results = await loop.run_in_executor(self._threads, self._run, [item.payload for item in batch])
            pairs = list(zip(batch, results, strict=True))
        except Exception as error:
            self._tell(batch, priority, begun_s, failed=True)
            if len(batch) == 1:
                _fail(batch[0], error)
                return
            # One bad item must not take its neighbours down: each on its own, if somebody still waits for it.
            for item in batch:
                if not _is_stale(item):
                    await self._run_batch([item], priority)
            return
        self._tell(batch, priority, begun_s, failed=False)
        for item, result in pairs:
            if not item.future.done():
                item.future.set_result(result)

    def _tell(
        self, batch: Sequence[_Item[Payload, Result]], priority: Priority, begun_s: float, *, failed: bool
    ) -> None:
        report = BatchReport(
            priority,
            waits_s=tuple(begun_s - item.submitted_s for item in batch),
            durations_s=tuple(item.duration_s for item in batch),
            worked_s=self._clock() - begun_s,
            failed=failed,
            origins=tuple(item.origin for item in batch),
        )
        if not failed:
            self._worked_s += report.worked_s
            self._done_s += sum(report.durations_s)
            if self._limits.fill(report.padded_s, len(batch)) >= _FULL:
                self._full_worked_s += report.worked_s
                self._full_done_s += sum(report.durations_s)
        self._observer.ran(report)


def _is_stale(item: _Item[Payload, Result]) -> bool:
    """Whether nobody waits for it any more; whose deadline has passed is told so."""
    if not item.future.done() and item.deadline_s <= asyncio.get_running_loop().time():
        item.future.set_exception(DeadlineExceeded("Recognition did not start in time"))
    return item.future.done()


def _fail(item: _Item[Payload, Result], error: Exception) -> None:
    if not item.future.done():
        item.future.set_exception(error)
