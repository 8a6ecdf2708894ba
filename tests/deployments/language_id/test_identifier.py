from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts import LanguageSpan, TimeSpan
from deployments.errors import EngineUnavailable
from deployments.language_id.identifier import Identifier
from deployments.language_id.single_language import SingleLanguage
from deployments.language_id.smoothing import Before, SmoothingSettings, smoothed_labels
from deployments.language_id.stretches import StretchSettings, joined
from tests.fakes.language_engine import FakeLanguageEngine

pytestmark = pytest.mark.unit

SILENCE = np.zeros(0, np.float32)
GERMAN, ENGLISH = {"de": 0.95, "en": 0.05}, {"de": 0.05, "en": 0.95}


def regions(*durations_s: float, pause_s: float = 0.5) -> list[TimeSpan]:
    spans, at_s = [], 0.0
    for duration_s in durations_s:
        spans.append(TimeSpan(at_s, at_s + duration_s))
        at_s += duration_s + pause_s
    return spans


def identify(
    script: Sequence[Mapping[str, float]],
    spans: Sequence[TimeSpan],
    candidates: frozenset[str] | None = None,
    settings: SmoothingSettings | None = None,
    before: LanguageSpan | None = None,
) -> tuple[LanguageSpan, ...]:
    engine = FakeLanguageEngine(list(zip(spans, script, strict=True)))
    identifier = Identifier(engine, settings or SmoothingSettings())
    return identifier.identify(SILENCE, spans, lambda: False, candidates or engine.languages, before)


def languages(spans: Sequence[LanguageSpan]) -> list[str]:
    return [span.language for span in spans]


def test_regions_of_one_language_become_one_span() -> None:
    (span,) = identify([ENGLISH] * 3, regions(5, 5, 5))
    assert span.language == "en"
    assert (span.span.start_s, span.span.end_s) == (0.0, 16.0)
    assert span.probability == pytest.approx(0.95)


def test_a_real_change_of_language_is_kept() -> None:
    spans = identify([ENGLISH, ENGLISH, GERMAN, GERMAN, GERMAN], regions(5, 5, 5, 5, 5))
    assert languages(spans) == ["en", "de"]


def test_a_short_flap_between_long_regions_is_smoothed_away() -> None:
    assert languages(identify([ENGLISH, GERMAN, ENGLISH], regions(8, 0.8, 8))) == ["en"]


def test_a_change_is_cheaper_after_a_long_pause() -> None:
    doubtful = {"de": 0.9, "en": 0.1}
    assert languages(identify([ENGLISH, doubtful], regions(5, 5, pause_s=0.2))) == ["en"]
    assert languages(identify([ENGLISH, doubtful], regions(5, 5, pause_s=20.0))) == ["en", "de"]


def test_a_change_is_never_free() -> None:
    unclear = {"de": 0.6, "en": 0.4}
    assert languages(identify([ENGLISH, unclear], regions(5, 5, pause_s=600.0))) == ["en"]


@pytest.mark.parametrize(("language", "expected"), [("en", "en"), ("de", "de"), ("fr", "de")])
def test_a_short_region_keeps_to_what_was_spoken_before(language: str, expected: str) -> None:
    before = LanguageSpan(TimeSpan(-9.0, -0.5), language, 0.9)
    assert languages(identify([{"de": 0.7, "en": 0.3}], regions(1.0), before=before)) == [expected]


def test_what_was_spoken_before_does_not_stand_against_clear_speech() -> None:
    before = LanguageSpan(TimeSpan(-9.0, -0.5), "en", 0.9)
    assert languages(identify([{"de": 0.999, "en": 0.001}], regions(5.0), before=before)) == ["de"]


def test_only_candidates_are_answered() -> None:
    script = [{"de": 0.9, "en": 0.06, "fr": 0.04}]
    assert languages(identify(script, regions(5), frozenset({"en", "fr"}))) == ["en"]


def test_no_regions_have_no_language() -> None:
    assert identify([], []) == ()


@given(
    st.lists(st.lists(st.floats(0.01, 1.0), min_size=3, max_size=3), min_size=1, max_size=12),
    st.lists(st.floats(3.0, 20.0), min_size=12, max_size=12),
)
def test_without_a_cost_every_region_decides_alone(rows: list[list[float]], durations_s: list[float]) -> None:
    log_probabilities = np.log(np.array(rows))
    labels = smoothed_labels(log_probabilities, regions(*durations_s[: len(rows)]), SmoothingSettings(switch_nats=0.0))
    chosen = log_probabilities[np.arange(len(rows)), labels]
    assert chosen == pytest.approx(log_probabilities.max(axis=1))


@given(
    st.lists(st.lists(st.floats(0.01, 1.0), min_size=2, max_size=2), min_size=1, max_size=7),
    st.lists(st.floats(0.1, 20.0), min_size=7, max_size=7),
    st.floats(0.0, 6.0),
)
def test_the_labels_are_the_best_path_of_all(
    rows: list[list[float]], durations_s: list[float], switch_nats: float
) -> None:
    log_probabilities = np.log(np.array(rows))
    spans = regions(*durations_s[: len(rows)], pause_s=0.0)
    settings = SmoothingSettings(switch_nats=switch_nats)

    def score(path: Sequence[int]) -> float:
        evidence = sum(
            log_probabilities[at, label] * min(1.0, spans[at].duration_s / settings.trusted_s)
            for at, label in enumerate(path)
        )
        return float(evidence - switch_nats * sum(a != b for a, b in pairwise(path)))

    paths = [[(number >> at) & 1 for at in range(len(rows))] for number in range(2 ** len(rows))]
    assert score(list(smoothed_labels(log_probabilities, spans, settings))) == pytest.approx(max(map(score, paths)))


@given(
    st.lists(st.lists(st.floats(0.01, 1.0), min_size=3, max_size=3), min_size=2, max_size=12),
    st.lists(st.floats(0.1, 20.0), min_size=12, max_size=12),
    st.floats(0.0, 6.0),
    st.data(),
)
def test_labels_up_to_a_region_that_is_certain_say_all_about_it(
    rows: list[list[float]], durations_s: list[float], switch_nats: float, data: st.DataObject
) -> None:
    """Cut behind such a region and continued with what was before, the labels are those of the whole."""
    spans = regions(*durations_s[: len(rows)])
    cut = data.draw(st.integers(1, len(rows) - 1))
    log_probabilities = np.log(np.array(rows))
    log_probabilities[cut - 1] = [-1e6, 0.0, -1e6]
    settings = SmoothingSettings(switch_nats=switch_nats)
    first = smoothed_labels(log_probabilities[:cut], spans[:cut], settings)
    before = Before(int(first[-1]), spans[cut - 1].end_s)
    second = smoothed_labels(log_probabilities[cut:], spans[cut:], settings, before)
    assert [*first, *second] == list(smoothed_labels(log_probabilities, spans, settings))


@given(
    st.lists(st.tuples(st.floats(0.1, 20.0), st.floats(0.0, 3.0)), max_size=20),
    st.floats(0.0, 30.0),
    st.floats(0.0, 3.0),
)
def test_stretches_hold_every_region_once_and_in_order(
    lengths_and_pauses_s: list[tuple[float, float]], longest_s: float, longest_pause_s: float
) -> None:
    spans, at_s = [], 0.0
    for length_s, pause_s in lengths_and_pauses_s:
        spans.append(TimeSpan(at_s, at_s + length_s))
        at_s += length_s + pause_s
    stretches = joined(spans, StretchSettings(longest_s, longest_pause_s))
    assert [region for stretch in stretches for region in stretch] == spans
    for stretch in stretches:
        assert len(stretch) == 1 or stretch[-1].end_s - stretch[0].start_s <= longest_s
        assert all(after.start_s - region.end_s <= longest_pause_s for region, after in pairwise(stretch))


def test_speech_of_one_language_is_listened_to_in_long_stretches() -> None:
    spans = regions(2, 2, 2, 2, 2, 2)
    engine = FakeLanguageEngine([(span, ENGLISH) for span in spans])
    Identifier(engine, SmoothingSettings()).identify(SILENCE, spans, lambda: False, engine.languages)
    assert engine.heard == [(TimeSpan(0.0, 9.5), TimeSpan(10.0, 14.5))]


def test_a_stretch_of_two_languages_is_taken_apart() -> None:
    german, english = {"de": 0.999, "en": 0.001}, {"de": 0.001, "en": 0.999}
    spans = regions(4, 4, 4, 4, 4, 4)
    engine = FakeLanguageEngine(list(zip(spans, [german, *[english] * 5], strict=True)))
    found = Identifier(engine, SmoothingSettings()).identify(SILENCE, spans, lambda: False, engine.languages)
    assert [(span.language, span.span.start_s, span.span.end_s) for span in found] == [
        ("de", 0.0, 4.0),
        ("en", 4.5, 26.5),
    ]
    # As likely one as the other, the first stretch seems German: its neighbour is looked at, too, and the last is not.
    assert engine.heard[1] == tuple(spans[:4])


def test_a_stretch_beside_another_language_is_taken_apart_however_sure_it_seems() -> None:
    german, english = {"de": 0.999, "en": 0.001}, {"de": 0.001, "en": 0.999}
    spans = regions(0.8, 8.0, 9.0, pause_s=0.1)
    engine = FakeLanguageEngine(list(zip(spans, [german, english, german], strict=True)))
    Identifier(engine, SmoothingSettings()).identify(SILENCE, spans, lambda: False, engine.languages)
    assert engine.heard == [(TimeSpan(0.0, 8.9), spans[2]), (spans[0], spans[1])]


def test_the_single_language_engine_is_certain() -> None:
    identifier = Identifier(SingleLanguage(frozenset({"en"})), SmoothingSettings())
    (span,) = identifier.identify(SILENCE, regions(2, 3), lambda: False, frozenset({"en"}))
    assert (span.language, span.probability) == ("en", 1.0)


def test_the_single_language_engine_refuses_to_choose_between_two() -> None:
    with pytest.raises(EngineUnavailable, match="one language"):
        SingleLanguage(frozenset({"en", "de"}))
