"""The lease protocol between holders and book, with every message late, lost, doubled or out of order."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from deployments.errors import Cancelled, ConcurrencyLimitReached
from serve_app.access.lease_messages import HolderReport, Lease
from serve_app.access.leases import LeaseBook
from tests.examples import examples
from tests.fakes.clock import FakeClock

pytestmark = pytest.mark.unit

TTL_S = 5.0
USERS = ("ann", "bob")
LOW_CAP, CAP = 2, 3


@dataclass
class Holder:
    """What an ingress process knows."""

    name: str
    alive: bool = True
    sequence: itertools.count[int] = field(default_factory=itertools.count)
    pending: dict[str, Lease] = field(default_factory=dict)
    held: dict[str, Lease] = field(default_factory=dict)

    def wants(self, lease: Lease) -> bool:
        return self.alive and (lease.lease_id in self.pending or lease.lease_id in self.held)


@dataclass(frozen=True)
class Acquisition:
    holder: Holder
    lease: Lease


@dataclass(frozen=True)
class Grant:
    holder: Holder
    lease: Lease


@dataclass(frozen=True)
class Refusal:
    holder: Holder
    lease: Lease


@dataclass(frozen=True)
class Loss:
    holder: Holder
    lost: tuple[str, ...]


Message = Acquisition | HolderReport | Grant | Refusal | Loss


class Protocol(RuleBasedStateMachine):
    """Beside the holders and the book it keeps what an omniscient observer would say of each lease."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.book = LeaseBook(TTL_S, self.clock)
        self.clock.now_s += TTL_S
        self.holders: dict[str, Holder] = {}
        self.network: list[Message] = []
        self.names = itertools.count()
        self.all: dict[str, tuple[Holder, Lease]] = {}
        self.ended_at: dict[str, int] = {}
        self.replacements = 0
        # Of the book as it is since it was last made:
        self.counted: set[str] = set()
        self.heard_s: dict[str, float] = {}
        self.reported: dict[str, int] = {}
        for _ in range(2):
            self.holder_starts()

    # What happens at the holders.

    @precondition(lambda self: len(self.holders) < 4)
    @rule()
    def holder_starts(self) -> None:
        name = f"h{len(self.holders)}"
        self.holders[name] = Holder(name)

    @rule(which=st.integers(0, 3), user=st.sampled_from(USERS), cap=st.sampled_from((LOW_CAP, CAP)))
    def client_comes(self, which: int, user: str, cap: int) -> None:
        holder = self.living(which)
        lease = Lease(f"lease{next(self.names)}", user, cap, next(holder.sequence))
        holder.pending[lease.lease_id] = lease
        self.all[lease.lease_id] = holder, lease
        self.network.append(Acquisition(holder, lease))

    @precondition(lambda self: self.wanted(waiting=True))
    @rule(pick=st.integers(0, 99))
    def client_hangs_up(self, pick: int) -> None:
        waiting = self.wanted(waiting=True)
        self.end(*waiting[pick % len(waiting)])

    @precondition(lambda self: self.wanted(waiting=False))
    @rule(pick=st.integers(0, 99))
    def request_ends(self, pick: int) -> None:
        running = self.wanted(waiting=False)
        self.end(*running[pick % len(running)])

    @rule(which=st.integers(0, 3))
    def holder_reports(self, which: int) -> None:
        holder = self.living(which)
        held, pending = tuple(holder.held.values()), tuple(holder.pending)
        self.network.append(HolderReport(holder.name, next(holder.sequence), held, pending))

    @precondition(lambda self: sum(holder.alive for holder in self.holders.values()) > 1)
    @rule(which=st.integers(0, 3))
    def holder_dies(self, which: int) -> None:
        self.living(which).alive = False

    # What happens between them and to the book.

    @precondition(lambda self: self.network)
    @rule(pick=st.integers(0, 99))
    def message_arrives(self, pick: int) -> None:
        self.arrive(self.network.pop(pick % len(self.network)))

    @precondition(lambda self: self.network)
    @rule(pick=st.integers(0, 99))
    def message_is_doubled(self, pick: int) -> None:
        message = self.network[pick % len(self.network)]
        if isinstance(message, Acquisition | HolderReport):
            self.network.append(message)

    @precondition(lambda self: self.network)
    @rule(pick=st.integers(0, 99))
    def message_is_lost(self, pick: int) -> None:
        message = self.network.pop(pick % len(self.network))
        if isinstance(message, Acquisition | Grant | Refusal):
            # Its holder hears nothing, and gives up in the end.
            self.end(message.holder, message.lease)

    @rule(seconds=st.sampled_from((0.1, 0.5, 1.0, 2.0, 6.0)))
    def time_passes(self, seconds: float) -> None:
        self.clock.now_s += seconds
        for name, heard_s in list(self.heard_s.items()):
            if heard_s < self.clock.now_s - TTL_S:
                del self.heard_s[name]
                self.reported.pop(name, None)
                self.counted -= {lease_id for lease_id, (holder, _) in self.all.items() if holder.name == name}

    @precondition(lambda self: self.counted and self.replacements < 2)
    @rule()
    def book_is_replaced(self) -> None:
        self.replacements += 1
        self.book = LeaseBook(TTL_S, self.clock)
        self.counted.clear()
        self.heard_s.clear()
        self.reported.clear()

    # What must hold.

    @invariant()
    def what_was_granted_is_counted_while_it_is_wanted(self) -> None:
        for user in USERS:
            wanted = [lease for _, lease in self.of(user) if self.all[lease.lease_id][0].wants(lease)]
            assert sum(lease.lease_id in self.counted for lease in wanted) <= self.book.running(user)

    @invariant()
    def never_more_than_the_cap_is_granted(self) -> None:
        assert all(self.book.running(user) <= CAP for user in USERS)

    @invariant()
    def nothing_is_counted_that_has_ended_and_was_reported(self) -> None:
        for user in USERS:
            assert self.book.running(user) <= sum(self.may_count(*one) for one in self.of(user))

    def teardown(self) -> None:
        """When the network calms down, the book knows exactly what is held, and all else is free."""
        for _ in range(8):
            while self.network:
                message = self.network.pop()
                if not (isinstance(message, Acquisition) and self.book.settles_in_s):
                    self.arrive(message)
            for which in range(4):
                self.holder_reports(which)
            self.time_passes(1.0)
        while self.network:
            self.arrive(self.network.pop())
        holder = next(one for one in self.holders.values() if one.alive)
        for user in USERS:
            held = sum(lease.lease_id in owner.held for owner, lease in self.of(user) if owner.alive)
            assert self.book.running(user) == held <= CAP
            for _ in range(CAP - held):
                self.book.acquire(holder.name, Lease(f"last{next(self.names)}", user, CAP, next(holder.sequence)))
            with pytest.raises(ConcurrencyLimitReached):
                self.book.acquire(holder.name, Lease("surplus", user, CAP, next(holder.sequence)))

    # The machinery.

    def living(self, which: int) -> Holder:
        living = [holder for holder in self.holders.values() if holder.alive]
        return living[which % len(living)]

    def wanted(self, *, waiting: bool) -> list[tuple[Holder, Lease]]:
        living = [holder for holder in self.holders.values() if holder.alive]
        return [(holder, lease) for holder in living for lease in (holder.pending if waiting else holder.held).values()]

    def of(self, user: str) -> list[tuple[Holder, Lease]]:
        return [one for one in self.all.values() if one[1].user_id == user]

    def may_count(self, holder: Holder, lease: Lease) -> bool:
        if holder.wants(lease):
            return True
        ended_at = self.ended_at.get(lease.lease_id)
        told = ended_at is not None and self.reported.get(holder.name, -1) > ended_at
        return holder.name in self.heard_s and not told

    def end(self, holder: Holder, lease: Lease) -> None:
        if holder.wants(lease):
            holder.pending.pop(lease.lease_id, None)
            holder.held.pop(lease.lease_id, None)
            self.ended_at[lease.lease_id] = next(holder.sequence)

    def arrive(self, message: Message) -> None:
        match message:
            case Acquisition(holder, lease):
                self.acquire(message, holder, lease)
            case HolderReport():
                self.take_in(message)
            case Grant(holder, lease):
                if holder.alive and lease.lease_id in holder.pending:
                    del holder.pending[lease.lease_id]
                    holder.held[lease.lease_id] = lease
            case Refusal(holder, lease):
                # The answer to a call that came twice may be a refusal after a grant.
                if lease.lease_id in holder.pending:
                    self.end(holder, lease)
            case Loss(holder, lost):
                for lease_id in lost:
                    if lease_id in holder.held:
                        self.end(holder, holder.held[lease_id])

    def acquire(self, message: Acquisition, holder: Holder, lease: Lease) -> None:
        if self.book.settles_in_s:
            self.network.append(message)
            return
        self.heard_s[holder.name] = self.clock.now_s
        running = self.book.running(lease.user_id)
        try:
            if self.book.acquire(holder.name, lease):
                assert running < lease.cap
                self.counted.add(lease.lease_id)
            self.network.append(Grant(holder, lease))
        except ConcurrencyLimitReached:
            assert running >= lease.cap
            self.network.append(Refusal(holder, lease))
        except Cancelled:
            assert lease.lease_id not in holder.pending

    def take_in(self, report: HolderReport) -> None:
        lost = self.book.report(report)
        self.heard_s[report.holder_id] = self.clock.now_s
        assert not self.counted.intersection(lost)
        if report.sequence > self.reported.get(report.holder_id, -1):
            self.reported[report.holder_id] = report.sequence
            self.counted.update(lease.lease_id for lease in report.held if lease.lease_id not in lost)
        else:
            assert not lost
        self.network.append(Loss(self.holders[report.holder_id], lost))


TestProtocol = Protocol.TestCase
TestProtocol.settings = settings(max_examples=examples(150), stateful_step_count=60)
