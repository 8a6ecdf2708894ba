"""Who holds which of a user's concurrent requests: the books, without clock, loop or network of their own.

The protocol has two messages. A holder acquires a lease under an id that it chose, and it reports all that it holds,
at once when something ended and regularly as a sign of life. There is no message that gives one lease back: the book's
view of a holder is its latest report, and what was granted to it after that report was made. Both kinds of message
carry the holder's sequence number, so that any of them may be late, lost, doubled or overtaken:

* an acquisition that is older than the latest report, and not listed in it, was given up by the holder meanwhile
  (its client hung up): it is refused, however late it arrives;
* a lease that was granted after a report was made is not touched by that report;
* a lost report is made good by the next one.

Leases as such: C. Gray and D. Cheriton, "Leases: an efficient fault-tolerant mechanism", SOSP 1989.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from deployments.errors import Cancelled, ConcurrencyLimitReached
from serve_app.access.lease_messages import HolderReport, Lease

_RETRY_AFTER_S = 1.0
"""Nobody knows when one of the running requests ends."""


@dataclass(slots=True)
class _Holder:
    """What is known of one ingress process."""

    heard_s: float
    reported: int = -1
    """Sequence number of its latest report."""
    pending: frozenset[str] = frozenset()
    """What the latest report said it was waiting for."""
    leases: dict[str, Lease] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BookSize:
    """How much a book remembers."""

    holders: int
    users: int
    leases: int


class LeaseBook:
    """Grants leases up to each one's cap, and takes them back from holders that fall silent.

    A book that is made anew, because its process was replaced, knows nothing of the leases that are held. It must not
    grant any before ``settles_in_s`` is 0: by then every holder that lives has reported.

    Never are more leases granted than their caps allow, with one exception: a holder that is cut off for longer than
    ttl_s goes on with what it holds while others get its place. Its next report ends that: what does not fit any more
    is lost.
    """

    def __init__(self, ttl_s: float, clock: Callable[[], float]) -> None:
        """A holder is taken for dead after ttl_s without a message; clock is monotonic, in seconds."""
        self._ttl_s = ttl_s
        self._clock = clock
        self._settled_s = clock() + ttl_s
        self._holders: dict[str, _Holder] = {}
        self._users: dict[str, dict[str, int]] = {}  # caps by lease id, by user id

    @property
    def settles_in_s(self) -> float:
        """Seconds until every living holder has reported to this book; 0 when that has passed."""
        return max(0.0, self._settled_s - self._clock())

    @property
    def size(self) -> BookSize:
        """How much is remembered; grows with what is held, not with who ever came."""
        self._expire()
        leases = sum(len(caps) for caps in self._users.values())
        return BookSize(len(self._holders), len(self._users), leases)

    def running(self, user_id: str) -> int:
        """Leases of this user."""
        self._expire()
        return len(self._users.get(user_id, ()))

    def acquire(self, holder_id: str, lease: Lease) -> bool:
        """Grant a lease; False if it was granted already, and the message came twice.

        Raises:
            ConcurrencyLimitReached: as many as the cap are running.
            Cancelled: the holder has given this acquisition up since it sent it.
        """
        self._expire()
        holder = self._heard(holder_id)
        if lease.lease_id in holder.leases:
            return False
        if lease.sequence < holder.reported and lease.lease_id not in holder.pending:
            raise Cancelled("The request was given up before it was admitted")
        if self.running(lease.user_id) >= lease.cap:
            raise ConcurrencyLimitReached(lease.cap, _RETRY_AFTER_S)
        self._add(holder, lease)
        return True

    def give_back(self, holder_id: str, lease: Lease) -> None:
        """Undo a grant that the holder has not been told of."""
        self._drop(self._holders[holder_id], lease)

    def report(self, report: HolderReport) -> tuple[str, ...]:
        """Bring the book in line with a holder; the ids of leases that it holds no longer.

        Those are leases that the book did not know (it is new, or the holder was silent for too long) and that do not
        fit among the user's others.
        """
        self._expire()
        holder = self._heard(report.holder_id)
        if report.sequence <= holder.reported:
            return ()
        holder.reported = report.sequence
        holder.pending = frozenset(report.pending)
        wanted = holder.pending.union(lease.lease_id for lease in report.held)
        for lease in list(holder.leases.values()):
            if lease.sequence < report.sequence and lease.lease_id not in wanted:
                self._drop(holder, lease)
        return tuple(lease.lease_id for lease in report.held if not self._keeps(holder, lease))

    def _keeps(self, holder: _Holder, lease: Lease) -> bool:
        if lease.lease_id in holder.leases:
            return True
        if not _lawful([*self._users.get(lease.user_id, {}).values(), lease.cap]):
            return False
        self._add(holder, lease)
        return True

    def _add(self, holder: _Holder, lease: Lease) -> None:
        holder.leases[lease.lease_id] = lease
        self._users.setdefault(lease.user_id, {})[lease.lease_id] = lease.cap

    def _drop(self, holder: _Holder, lease: Lease) -> None:
        del holder.leases[lease.lease_id]
        caps = self._users[lease.user_id]
        del caps[lease.lease_id]
        if not caps:
            del self._users[lease.user_id]

    def _heard(self, holder_id: str) -> _Holder:
        now_s = self._clock()
        holder = self._holders.setdefault(holder_id, _Holder(now_s))
        holder.heard_s = now_s
        return holder

    def _expire(self) -> None:
        """Forget holders that fell silent, and with them what they held."""
        heard_since_s = self._clock() - self._ttl_s
        silent = [holder_id for holder_id, holder in self._holders.items() if holder.heard_s < heard_since_s]
        for holder_id in silent:
            holder = self._holders.pop(holder_id)
            for lease in list(holder.leases.values()):
                self._drop(holder, lease)


def _lawful(caps: Iterable[int]) -> bool:
    """Whether a user's leases could have been granted one after another, the smallest caps first.

    Leases of one user differ in their caps, since an API may have a lower one. Nothing is known of the order in which
    those of a report were granted, and a lease with a low cap may well come after many with a higher one.
    """
    return all(before < cap for before, cap in enumerate(sorted(caps)))
