"""Endings are told apart by what the documentation promises, and counted from the fault."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from load_tests.drills.endings import (
    Attempt,
    Ending,
    count_jobs,
    ending_of_answer,
    ending_of_session,
    impact_of,
    is_quiet,
)

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("status", "retry_after", "ending"),
    [
        (200, None, Ending.ANSWERED),
        (202, None, Ending.ANSWERED),
        (503, "5", Ending.TOLD),
        (429, "1", Ending.TOLD),
        # Without Retry-After it is not our own answer but a proxy's.
        (503, None, Ending.FAILED),
        (500, "5", Ending.FAILED),
        (400, None, Ending.FAILED),
    ],
)
def test_an_answer_fails_unless_it_says_when_to_come_back(status: int, retry_after: str | None, ending: Ending) -> None:
    assert ending_of_answer(status, retry_after) is ending


@pytest.mark.parametrize(
    ("code", "has_last_words", "has_error", "ending"),
    [
        (1000, True, False, Ending.ANSWERED),
        (1000, False, False, Ending.FAILED),
        (1012, False, True, Ending.TOLD),
        (1012, True, True, Ending.TOLD),
        (1013, False, True, Ending.TOLD),
        # The documented close has an error event before it.
        (1012, False, False, Ending.FAILED),
        (1006, False, False, Ending.FAILED),
        (1011, False, True, Ending.FAILED),
    ],
)
def test_a_session_is_cut_unless_its_close_is_documented(
    code: int, has_last_words: bool, has_error: bool, ending: Ending
) -> None:
    assert ending_of_session(code, has_last_words=has_last_words, has_error=has_error) is ending


def attempt(begun_s: float, ended_s: float, ending: Ending = Ending.ANSWERED, label: str = "200") -> Attempt:
    return Attempt("file", begun_s, ended_s, ending, label)


def test_an_impact_counts_what_ran_when_the_fault_came_and_what_came_later() -> None:
    impact = impact_of(
        [
            attempt(0.0, 9.0),
            attempt(1.0, 2.0, Ending.FAILED, "500"),
            attempt(9.5, 12.0),
            attempt(9.0, 10.5, Ending.FAILED, "500"),
            attempt(11.0, 11.5, Ending.TOLD, "503"),
            attempt(12.0, 19.0),
        ],
        fault_at_s=10.0,
    )
    assert impact.attempts == 4
    assert impact.endings == {Ending.ANSWERED: 2, Ending.FAILED: 1, Ending.TOLD: 1}
    assert impact.labels == {"file 500": 1, "file 503": 1}
    assert (impact.first_failure_s, impact.recovered_s) == (0.5, 1.5)
    assert impact.longest_s == 7.0


def test_without_a_failure_there_is_nothing_to_recover_from() -> None:
    impact = impact_of([attempt(9.0, 11.0)], fault_at_s=10.0)
    assert impact.first_failure_s is None
    assert impact.recovered_s is None


@given(
    st.lists(
        st.builds(
            lambda begun_s, took_s, ending: attempt(begun_s, begun_s + took_s, ending),
            st.floats(0, 100),
            st.floats(0, 100),
            st.sampled_from(Ending),
        )
    ),
    st.floats(0, 200),
)
def test_every_attempt_that_counts_has_one_ending(attempts: list[Attempt], fault_at_s: float) -> None:
    impact = impact_of(attempts, fault_at_s)
    assert sum(impact.endings.values()) == impact.attempts <= len(attempts)
    missed = impact.attempts - impact.endings.get(Ending.ANSWERED, 0)
    assert sum(impact.labels.values()) == missed
    assert (impact.first_failure_s is None) == (missed == 0)


def test_it_is_quiet_when_something_was_answered_and_nothing_else_happened() -> None:
    attempts = [attempt(0.0, 5.0, Ending.FAILED), attempt(5.0, 8.0)]
    assert is_quiet(attempts, now_s=10.0, for_s=4.0)
    assert not is_quiet(attempts, now_s=10.0, for_s=6.0)
    assert not is_quiet(attempts, now_s=20.0, for_s=6.0)


def test_a_job_is_lost_when_its_webhook_never_came() -> None:
    deliveries = [("a", "completed"), ("b", "failed"), ("a", "completed"), ("of-others", "completed")]
    jobs = count_jobs({"a", "b", "c"}, deliveries)
    assert (jobs.accepted, jobs.completed, jobs.failed, jobs.lost, jobs.repeated) == (3, 1, 1, 1, 1)
