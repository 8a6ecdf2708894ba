"""How many requests a user may send in any minute."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable

from limits import RateLimitItemPerMinute
from limits.storage import MovingWindowSupport, Storage
from limits.strategies import MovingWindowRateLimiter

from deployments.errors import RateLimitReached
from serve_app.access.visit import RateState


class RateLimits:
    """Counts each user's requests over a moving minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._limiter = MovingWindowRateLimiter(HitWindows(clock))

    def hit(self, user_id: str, requests_per_minute: int) -> RateState:
        """Count one request; ``reset_s`` of what is left says when the oldest one leaves the minute.

        Raises:
            RateLimitReached: there were as many already. One that is refused is not counted.
        """
        limit = RateLimitItemPerMinute(requests_per_minute)
        admitted = self._limiter.hit(limit, user_id)
        reset, remaining = self._limiter.get_window_stats(limit, user_id)
        reset_s = max(0.0, reset - self._clock())
        if not admitted:
            raise RateLimitReached(requests_per_minute, reset_s)
        return RateState(requests_per_minute, remaining, reset_s)


class HitWindows(Storage, MovingWindowSupport):
    """Storage of ``limits`` in memory, for one thread: each hit is kept until it expires, and nothing else is.

    The library's MemoryStorage goes by the wall clock, which can be set back, keeps an entry for every key it ever
    saw, and starts a thread that walks over all of them with each hit (5.8.0).
    """

    STORAGE_SCHEME = None

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock
        # Ends of the hits, oldest first; keys in the order of their latest hit.
        self._ends: OrderedDict[str, deque[float]] = OrderedDict()

    @property
    def base_exceptions(self) -> type[Exception]:
        """What the library wraps: nothing can fail here."""
        return ValueError

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Add hits if all of them fit under the limit."""
        if len(self._current(key)) + amount > limit:
            return False
        self.incr(key, expiry, amount)
        return True

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:  # noqa: ARG002 the library's
        """When the oldest hit came, and how many there are."""
        ends = self._current(key)
        return (ends[0] - expiry if ends else self._clock()), len(ends)

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Add hits that count for expiry seconds; how many there are then."""
        self._forget()
        ends = self._ends.setdefault(key, deque())
        ends.extend([self._clock() + expiry] * amount)
        self._ends.move_to_end(key)
        return len(ends)

    def get(self, key: str) -> int:
        """How many hits there are."""
        return len(self._current(key))

    def get_expiry(self, key: str) -> float:
        """When the last hit expires."""
        ends = self._current(key)
        return ends[-1] if ends else self._clock()

    def check(self) -> bool:
        """Memory is always there."""
        return True

    def reset(self) -> int:
        """Forget everything; how many keys there were."""
        count = len(self._ends)
        self._ends.clear()
        return count

    def clear(self, key: str) -> None:
        """Forget the hits of one key."""
        self._ends.pop(key, None)

    def _current(self, key: str) -> deque[float]:
        ends = self._ends.get(key, deque())
        now_s = self._clock()
        while ends and ends[0] <= now_s:
            ends.popleft()
        return ends

    def _forget(self) -> None:
        """Drop keys without hits, oldest first: each hit pays for about one."""
        now_s = self._clock()
        while self._ends:
            key, ends = next(iter(self._ends.items()))
            if ends and ends[-1] > now_s:
                return
            del self._ends[key]
