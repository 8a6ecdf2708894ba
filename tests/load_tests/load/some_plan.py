"""The plan of a small load test."""

from __future__ import annotations

from typing import Any

from load_tests.load.plan import DEFAULT_FILES, DEFAULT_LENGTHS, DEFAULT_LIVE, Arrivals, Caller, Plan


def plan(**changes: Any) -> Plan:
    parts: dict[str, Any] = {
        "levels": (1.0, 2.0),
        "arrivals": Arrivals.CLOSED,
        "step_s": 10.0,
        "files": DEFAULT_FILES,
        "live_streams": 1,
        "live": DEFAULT_LIVE,
        "lengths": DEFAULT_LENGTHS,
        "callers": (Caller("all"),),
        "keeps_retry_after": False,
        "timeout_s": 5.0,
    }
    return Plan(**(parts | changes))
