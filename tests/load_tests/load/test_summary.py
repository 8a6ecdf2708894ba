from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from load_tests.live_latency import Latencies
from load_tests.load.observations import LiveCall, Outcome, outcome_of
from load_tests.load.plan import FileApi, LiveApi
from load_tests.load.steps import Step
from load_tests.load.summary import ALL, Count, figures_of
from tests.load_tests.load.some_calls import call

pytestmark = pytest.mark.unit

STEP = Step(4.0, opened_s=100.0, closes_s=110.0, drained_s=113.0)
SETTLE_S = 2.0


def test_a_recording_counts_with_the_part_that_lies_in_the_window() -> None:
    # The window is 102 to 110.
    calls = [call(101, 103, audio_s=10), call(104, 105, audio_s=3), call(108, 112, audio_s=20), call(110.5, 112)]
    figures = figures_of(0, STEP, SETTLE_S, calls, [])
    assert figures.window_s == 8.0
    assert figures.audio_s_per_s == pytest.approx((5 + 3 + 10) / 8)
    assert figures.requests_per_s == pytest.approx((0.5 + 1 + 0.5) / 8)
    assert figures.drain_s == 3.0


def test_latency_counts_from_when_a_call_was_due() -> None:
    late = call(103, 109, sent_s=107.0)
    figures = figures_of(0, STEP, SETTLE_S, [late], [])
    assert figures.latency.p50_s == 6.0
    assert figures.sent_late.p50_s == 4.0


def test_only_what_was_due_in_the_window_counts() -> None:
    calls = [call(101, 109), call(102, 103), call(109.9, 112.9), call(103, 104, step=1)]
    figures = figures_of(0, STEP, SETTLE_S, calls, [])
    assert figures.done == 2
    assert figures.latency.longest_s == pytest.approx(3.0)


def test_rows_are_by_api_and_length_and_jobs_have_one_more() -> None:
    calls = [
        call(103, 104),
        call(103, 106, has_text=False),
        call(103, 105, length="longer"),
        call(103, 109, api=FileApi.JOB, accepted_s=103.5),
    ]
    rows = {(row.api, row.length): row for row in figures_of(0, STEP, SETTLE_S, calls, []).files}
    assert set(rows) == {("job", "up to 5 s"), ("job accepted", ALL), ("listen", "up to 5 s"), ("listen", "longer")}
    assert (rows["listen", "up to 5 s"].done, rows["listen", "up to 5 s"].without_text) == (2, 1)
    assert rows["job", "up to 5 s"].latency.p50_s == 6.0
    assert rows["job accepted", ALL].latency.p50_s == 0.5


def test_what_is_refused_or_failed_is_counted_by_reason_over_the_whole_step() -> None:
    refused: dict[str, Any] = {"outcome": Outcome.REFUSED, "reason": "HTTP 429 X"}
    calls = [
        call(100.5, 101, **refused),
        call(109, 109.1, **refused),
        call(104, 104, outcome=Outcome.FAILED, reason="y"),
    ]
    session = LiveCall(0, LiveApi.OPENAI, "small", 0.0, 104, 104, Outcome.REFUSED, "HTTP 503 Z")
    figures = figures_of(0, STEP, SETTLE_S, calls, [session])
    assert figures.refused == (Count("listen", "all", "HTTP 429 X", 2), Count("openai-live", "small", "HTTP 503 Z", 1))
    assert figures.failed == (Count("listen", "all", "y", 1),)
    assert figures.latency.p50_s is None
    assert figures.audio_s_per_s == 0.0


def test_sessions_are_pooled_by_dialect() -> None:
    heard = [Latencies(final_s=(0.4, 0.6), utterances=3), Latencies(final_s=(0.5,), utterances=1)]
    sessions = [LiveCall(0, LiveApi.WAVES, "all", 8.0, 102, 110, Outcome.DONE, heard=one) for one in heard]
    figures = figures_of(0, STEP, SETTLE_S, [], sessions)
    (row,) = figures.live
    assert (row.sessions, row.audio_s, row.utterances, row.missed) == (2, 16.0, 4, 1)
    assert row.final.p50_s == 0.5
    assert row.first.p50_s is None
    assert figures.live_audio_s_per_s == pytest.approx(2.0)


@given(st.lists(st.tuples(st.floats(90, 120), st.floats(0, 20), st.floats(0.1, 100)), max_size=20))
def test_no_more_is_transcribed_than_was_sent(found: list[tuple[float, float, float]]) -> None:
    calls = [call(due_s, due_s + took_s, audio_s) for due_s, took_s, audio_s in found]
    figures = figures_of(0, STEP, SETTLE_S, calls, [])
    assert -1e-9 <= figures.audio_s_per_s * figures.window_s <= sum(one.audio_s for one in calls) + 1e-6
    assert sum(row.done for row in figures.files) == figures.done


@pytest.mark.parametrize(
    ("status", "code", "outcome"),
    [
        (429, "rate_limit_exceeded", Outcome.REFUSED),
        (503, "", Outcome.REFUSED),
        (403, "QUOTA_EXCEEDED", Outcome.REFUSED),
        (402, "INSUFFICIENT_CREDITS", Outcome.REFUSED),
        (None, "STT_CONCURRENCY_LIMIT", Outcome.REFUSED),
        (None, "SERVICE_UNAVAILABLE", Outcome.REFUSED),
        (None, "", Outcome.FAILED),
        (500, "SERVICE_UNAVAILABLE", Outcome.FAILED),
        (400, "INVALID_PARAMETER", Outcome.FAILED),
        (401, "INVALID_LICENSE", Outcome.FAILED),
    ],
)
def test_limits_refuse_and_everything_else_fails(status: int | None, code: str, outcome: Outcome) -> None:
    assert outcome_of(status, code) is outcome
