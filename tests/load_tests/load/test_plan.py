from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from load_tests.load.callers_file import read_callers
from load_tests.load.plan import (
    Arrivals,
    Caller,
    Deck,
    FileApi,
    LiveApi,
    PlanError,
    parse_files,
    parse_lengths,
    parse_levels,
    parse_live,
    poisson_times_s,
)
from tests.load_tests.load.some_plan import plan

pytestmark = pytest.mark.unit


def test_options_are_read() -> None:
    assert parse_levels("1, 2,0.5") == (1.0, 2.0, 0.5)
    assert parse_lengths("2:8,60") == {2.0: 8, 60.0: 1}
    assert parse_files("listen:3, job,url:0") == {FileApi.LISTEN: 3, FileApi.JOB: 1}
    assert parse_files("") == {}
    assert parse_live("60db-live:2") == {LiveApi.SIXTYDB: 2}


@pytest.mark.parametrize("text", ["", "1,x", "0", "-1", "nan", "inf", "1,,2"])
def test_levels_are_positive_numbers(text: str) -> None:
    with pytest.raises(PlanError):
        parse_levels(text)


@pytest.mark.parametrize("text", ["", "2:0", "2:x", "2:1,2:3", "2,2.0", "2:99999", "2:²"])
def test_lengths_have_weights(text: str) -> None:
    with pytest.raises(PlanError):
        parse_lengths(text)


@pytest.mark.parametrize("text", ["listen,ftp", "listen,listen", "listen:1:2", "Listen"])
def test_apis_are_known_and_named_once(text: str) -> None:
    with pytest.raises(PlanError):
        parse_files(text)


def test_parts_that_do_not_fit_are_told() -> None:
    plan().check()
    plan(arrivals=Arrivals.OPEN, levels=(0.5,)).check()
    for wrong in (plan(levels=(1.5,)), plan(files={}, live_streams=0), plan(live={})):
        with pytest.raises(PlanError):
            wrong.check()


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.integers(1, 4), st.integers())
def test_every_round_of_a_deck_has_each_item_by_its_weight(weights: list[int], rounds: int, seed: int) -> None:
    deck = Deck(list(enumerate(weights)), random.Random(seed))
    for _ in range(rounds):
        assert Counter(deck.deal() for _ in range(sum(weights))) == dict(enumerate(weights))


def test_an_empty_deck_is_none() -> None:
    for weights in ([], [("a", 0)]):
        with pytest.raises(ValueError, match="a deck needs"):
            Deck(weights, random.Random(1))


@given(st.floats(0.1, 50), st.floats(0, 1000), st.floats(0, 20), st.integers())
def test_arrivals_come_in_order_and_in_time(rate_hz: float, start_s: float, length_s: float, seed: int) -> None:
    times_s = list(poisson_times_s(rate_hz, start_s, start_s + length_s, random.Random(seed)))
    assert all(start_s <= time_s < start_s + length_s for time_s in times_s)
    assert all(first <= second for first, second in pairwise(times_s))


def test_arrivals_have_their_rate_and_no_pattern() -> None:
    times_s = list(poisson_times_s(5.0, 0.0, 2000.0, random.Random(1)))
    assert len(times_s) == pytest.approx(10_000, rel=0.03)
    # Of a Poisson process e^-1 of all gaps are longer than the mean one.
    gaps_s = [second - first for first, second in pairwise(times_s)]
    assert sum(gap_s > 0.2 for gap_s in gaps_s) / len(gaps_s) == pytest.approx(0.368, abs=0.02)


def test_callers_are_read_and_their_keys_are_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "callers.yaml"
    path.write_text("- {name: small, key: rs_secret, weight: 3}\n- name: nobody\n")
    callers = read_callers(path)
    assert callers == (Caller("small", "rs_secret", 3), Caller("nobody", None, 1))
    assert "rs_secret" not in repr(callers)


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{}",
        "- {key: rs_secret}",
        "- {name: a, cap: rs_secret}",
        "- name: a\n- name: a",
        "- {name: a, weight: 0}",
        "[",
        "7",
    ],
)
def test_a_file_that_names_no_callers_is_told_without_keys(tmp_path: Path, content: str) -> None:
    path = tmp_path / "callers.yaml"
    path.write_text(content)
    with pytest.raises(PlanError) as caught:
        read_callers(path)
    assert "rs_secret" not in str(caught.value)
