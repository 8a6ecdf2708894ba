from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from load_tests.bench import with_default_command
from load_tests.hardware import read_hardware
from load_tests.report import Cell, Column, Report, Table, percentile, shown

pytestmark = pytest.mark.unit

TABLE = Table(
    "Errors [all]", (Column("kind"), Column("WER %", digits=2)), (("read", 12.3456), ("noisy", None)), "a note"
)


def test_a_row_must_fit_its_columns() -> None:
    with pytest.raises(ValueError, match="Errors"):
        Table("Errors", (Column("kind"),), (("read", 1.0),))


def test_saved_figures_are_whole_and_carry_the_hardware(tmp_path: Path) -> None:
    report = Report("accuracy", read_hardware(), [TABLE], ["speed: no reason"], [{"recording": "a", "words": 3}])
    saved = json.loads(report.save(tmp_path / "results").read_text())
    assert saved["tables"][0]["rows"] == [["read", 12.3456], ["noisy", None]]
    assert saved["skipped"] == ["speed: no reason"]
    assert saved["clips"] == [{"recording": "a", "words": 3}]
    assert saved["hardware"]["cores"] >= 1
    assert saved["hardware"]["onnxruntime"][0].isdigit()


def test_two_programs_do_not_overwrite_each_other(tmp_path: Path) -> None:
    hardware = read_hardware()
    assert Report("speed", hardware).save(tmp_path) != Report("scale", hardware).save(tmp_path)


def test_printed_figures_are_rounded_and_nothing_is_hidden() -> None:
    out = io.StringIO()
    Report("accuracy", read_hardware(), [TABLE], ["speed: [why]"]).print(Console(file=out, width=200))
    printed = out.getvalue()
    for text in ("Errors [all]", "12.35", "–", "a note", "speed: [why]", "Python 3."):
        assert text in printed


@pytest.mark.parametrize(("cell", "text"), [(None, "–"), (1234.56, "1,234.6"), (7, "7"), ("x", "x")])
def test_cells(cell: Cell, text: str) -> None:
    assert shown(cell, 1) == text


def test_percentile_of_few() -> None:
    assert percentile([3.0, 1.0, 2.0], 50) == 2.0
    assert percentile([5.0], 95) == 5.0


@settings(deadline=None)
@given(st.lists(st.floats(0, 10), min_size=1), st.integers(1, 100))
def test_percentile_covers_its_share(values: list[float], percent: int) -> None:
    found = percentile(values, percent)
    assert found in values
    assert sum(value <= found for value in values) >= len(values) * percent / 100


@pytest.mark.parametrize(
    ("given_arguments", "run"),
    [
        ([], ["all"]),
        (["--start"], ["all", "--start"]),
        (["--server", "http://host"], ["all", "--server", "http://host"]),
        (["speed", "--start"], ["speed", "--start"]),
        (["--help"], ["--help"]),
    ],
)
def test_without_a_command_all_is_meant(given_arguments: list[str], run: list[str]) -> None:
    assert with_default_command(given_arguments) == run
