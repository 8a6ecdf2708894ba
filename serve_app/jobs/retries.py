"""How long to wait before trying again."""

from __future__ import annotations

import random
from collections.abc import Callable

Fraction = Callable[[], float]
"""A random number in [0, 1)."""


def equal_jitter_s(attempt: int, first_s: float, longest_s: float, fraction: Fraction = random.random) -> float:
    """Seconds after the attempt of this number (from 1) failed: half to all of a bound that doubles each time.

    "Equal jitter": M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
    """
    # 2**62 is more seconds than anybody waits, and no overflow.
    return (0.5 + 0.5 * fraction()) * min(longest_s, first_s * 2.0 ** min(attempt - 1, 62))
