from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from load_tests.engine_bench_parts import Part
from load_tests.engine_bench_plan import Target
from load_tests.engine_bench_tables import (
    Measurement,
    Run,
    parts_table,
    same_words_percent,
    speed_table,
    targets_table,
)
from load_tests.report import Cell, Table

pytestmark = pytest.mark.unit

WORDS = st.lists(st.sampled_from(["one", "two", "three"]), max_size=8).map(" ".join)


def run(*rounds_s: float, texts: tuple[str, ...] = ("one two three",)) -> Run:
    return Run(list(texts), list(rounds_s), {**dict.fromkeys(Part, 0.0), Part.ENCODER: 0.5}, 2**20)


def measurement(
    batch: int, ours: Run, pipeline: Run | None, *, model: str = "whisper", precision: str = "bfloat16"
) -> Measurement:
    return Measurement(model, precision, batch, 30.0, ours, pipeline, alone=["one two three"])


def column(table: Table, name: str) -> list[Cell]:
    at = [column.name for column in table.columns].index(name)
    return [row[at] for row in table.rows]


def test_speed_is_that_of_the_median_round() -> None:
    assert measurement(4, run(1.0, 2.0, 30.0), None).real_times == 60.0


def test_the_ratio_is_the_median_over_neighbouring_rounds() -> None:
    # The machine was slower in the second round, for both: medians apart would say 2 / 4.
    found = measurement(1, run(1.0, 10.0, 4.0), run(2.0, 30.0, 2.0))
    assert found.ratio == 2.0


def test_batches_stand_beside_one_at_a_time_of_their_own_model_and_precision() -> None:
    found = [
        measurement(1, run(2.0), run(2.0)),
        measurement(8, run(4.0), run(8.0)),
        measurement(8, run(4.0), run(8.0), precision="float16"),
    ]
    table = speed_table(found, "× real time", "")
    assert column(table, "against one at a time") == [1.0, 4.0, None]
    assert column(table, "pipeline × real time") == [15.0, 30.0, 30.0]


def test_a_pipeline_that_ran_out_of_memory_leaves_its_cells_empty() -> None:
    found = [measurement(64, run(1.0), None)]
    table = speed_table(found, "× real time", "")
    assert column(table, "ratio") == column(table, "as the pipeline %") == [None]
    assert column(parts_table(found), "contender") == ["ours"]


def test_words_are_compared_with_those_of_the_windows_alone_and_counted_over_all() -> None:
    found = measurement(2, run(1.0, texts=("one two four", "five six seven")), run(1.0, texts=("one", "nine ten")))
    table = speed_table([found], "× real time", "")
    assert column(table, "same words as alone %") == [pytest.approx(100 * 4 / 6)]
    assert column(table, "as the pipeline %") == [pytest.approx(100 * 2 / 9)]
    assert column(table, "words a s") == [pytest.approx(6 / 60)]


def test_parts_are_milliseconds_a_window() -> None:
    table = parts_table([measurement(4, run(1.0), run(1.0))])
    assert column(table, "encoder") == [125.0, 125.0]
    assert column(table, "all") == [125.0, 125.0]
    assert column(table, "MiB") == [1.0, 1.0]


@pytest.mark.parametrize(
    ("ours_s", "pipeline_s", "met"), [(1.0, 2.0, "yes"), (1.0, 1.9, "no"), (1.1, 2.5, "no"), (0.9, None, "no")]
)
def test_a_target_takes_both_figures(ours_s: float, pipeline_s: float | None, met: str) -> None:
    found = measurement(20, run(ours_s), None if pipeline_s is None else run(pipeline_s))
    assert column(targets_table([found], [Target("whisper", 600.0, 2.0)]), "met") == [met]


def test_a_target_is_about_the_best_batch_in_half_precision() -> None:
    found = [
        measurement(1, run(1.0), run(9.0)),
        measurement(32, run(1.0), run(1.0)),
        measurement(64, run(0.1), run(9.0), precision="float32"),
        measurement(64, run(0.1), run(9.0), model="other"),
    ]
    table = targets_table(found, [Target("whisper", 600.0), Target("parakeet", 3000.0)])
    assert column(table, "batch") == [32, None]
    assert column(table, "met") == ["yes", "not measured"]


@given(st.lists(WORDS, max_size=4))
def test_the_same_texts_are_the_same(texts: list[str]) -> None:
    assert same_words_percent(texts, texts) == 100.0


@given(st.lists(st.tuples(WORDS, WORDS), max_size=4))
def test_a_share_of_words_is_a_share(pairs: list[tuple[str, str]]) -> None:
    assert 0.0 <= same_words_percent([one for one, _ in pairs], [other for _, other in pairs]) <= 100.0


def test_other_words_are_not_the_same() -> None:
    assert same_words_percent(["one two"], ["three four"]) == 0.0
