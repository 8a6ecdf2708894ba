"""How long a runner has been in touch with the database: only then is the silence of another one its own."""

from __future__ import annotations


class DatabaseContact:
    """Of one runner, by the database's clock.

    After an outage, a suspended machine or a step of the clock the leases of healthy runners have run out, too. Who is
    back first leaves the others the time of a lease to renew theirs.
    """

    def __init__(self, lease_s: float) -> None:
        """Not to have heard of the database for half a lease is an outage: leases are renewed four times in theirs."""
        self._lease_s = lease_s
        self._since_s = self._last_s = float("-inf")

    def reached(self, now_s: float) -> bool:
        """Note that the database answered; whether it has done so for as long as a lease lasts."""
        if not 0.0 <= now_s - self._last_s <= self._lease_s / 2:
            self._since_s = now_s
        self._last_s = now_s
        return now_s - self._since_s >= self._lease_s
