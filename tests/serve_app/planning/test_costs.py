from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from serve_app.planning.costs import Costs, CostsUnusable, Stage, costs_json, costs_of_profile, read_costs
from tests.serve_app.planning.some_costs import COSTS

pytestmark = pytest.mark.unit


def _written(folder: Path, costs: Costs, **changes: object) -> Path:
    path = folder / "costs.json"
    path.write_text(json.dumps({**json.loads(costs_json(costs)), **changes}))
    return path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert read_costs(_written(tmp_path, COSTS)) == COSTS


def test_the_embedded_profile_comes_measured() -> None:
    costs = costs_of_profile("embedded")
    assert costs.profile == "embedded"
    assert "load_tests.stage_costs" in costs.method
    assert costs.of(Stage.DIARIZER) is not None
    # Faster than real time by far, and not free.
    assert 0.01 < costs.recognizer.work_s([10.0]) < 1


def test_nobody_guesses_what_was_not_measured() -> None:
    with pytest.raises(CostsUnusable, match=r"load_tests\.stage_costs --config configs/gpu\.yaml"):
        costs_of_profile("gpu")


@pytest.mark.parametrize("name", ["../measured/embedded", "", "*"])
def test_a_profile_is_a_name_and_no_path(name: str) -> None:
    with pytest.raises(CostsUnusable, match="No costs were measured"):
        costs_of_profile(name)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"stages": []}, "no costs of Decoder"),
        ({"speech_share": 0}, "speech_share"),
        ({"idle_cpu_cores": -1}, "idle_cpu_cores"),
        ({"format": 2}, "format"),
        ({"gpu_costs": 1}, "gpu_costs"),
        ({"stages": [{"stage": "Decoder", "request_ms": 3}]}, r"stages\[0\]\.request_ms: Unexpected"),
        ({"stages": [{"stage": "Decoder"}, {"stage": "Decoder"}]}, "there twice"),
    ],
)
def test_a_wrong_file_is_told_where(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    with pytest.raises(CostsUnusable, match=said):
        read_costs(_written(tmp_path, COSTS, **changes))


def test_a_recogniser_needs_batches(tmp_path: Path) -> None:
    stages = [{"stage": cost.stage.value} for cost in COSTS.stages]
    with pytest.raises(CostsUnusable, match="Recognizer has batches"):
        read_costs(_written(tmp_path, COSTS, stages=stages))


def test_no_file_and_no_json(tmp_path: Path) -> None:
    with pytest.raises(CostsUnusable, match="Cannot read"):
        read_costs(tmp_path / "none.json")
    (tmp_path / "text.json").write_text("costs")
    with pytest.raises(CostsUnusable, match="not a file of stage costs"):
        read_costs(tmp_path / "text.json")


def test_a_batch_costs_its_longest_window_times_its_items_where_the_engine_pads() -> None:
    assert COSTS.recognizer.work_s([10.0, 4.0, 6.0, 8.0]) == pytest.approx(0.01 + 4 * 0.1)


def test_a_batch_costs_what_is_in_it_where_the_engine_does_not_pad() -> None:
    batches = replace(COSTS.recognizer, padded_s=0.0, audio_s=0.01)
    assert batches.work_s([10.0, 4.0, 6.0, 8.0]) == pytest.approx(0.01 + 0.28)
    assert batches.slower(2.0).work_s([10.0, 4.0]) == pytest.approx(2 * (0.01 + 0.14))
