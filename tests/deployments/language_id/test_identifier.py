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
from deployments.language_id.smoothing import SmoothingSettings, smoothed_labels
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
) -> tuple[LanguageSpan, ...]:
    identifier = Identifier(FakeLanguageEngine(script), settings or SmoothingSettings())
    return identifier.identify(SILENCE, spans, lambda: False, candidates)


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


def test_the_single_language_engine_is_certain() -> None:
    identifier = Identifier(SingleLanguage(frozenset({"en"})), SmoothingSettings())
    (span,) = identifier.identify(SILENCE, regions(2, 3), lambda: False)
    assert (span.language, span.probability) == ("en", 1.0)


def test_the_single_language_engine_refuses_to_choose_between_two() -> None:
    with pytest.raises(EngineUnavailable, match="one language"):
        SingleLanguage(frozenset({"en", "de"}))
