from __future__ import annotations

from pathlib import Path

import pytest

from deployments.contracts import TimeSpan
from load_tests.live_accuracy import HeardTwice, live_error_table
from load_tests.live_endurance import Endurance, MemorySample, endurance_table, growth_mib_an_hour, memory_table
from load_tests.live_latency import Latencies
from load_tests.live_load import LoadRun, cores_table, counts_to_try, largest_in_time, load_table, search
from load_tests.live_speech import LiveSpeech, TrueUtterance
from load_tests.live_streams import StreamLog, Told
from load_tests.recordings import Recording
from serve_app.live_client import PIECE_BYTES, LiveTranscript
from tests.fakes.live_server import transcript

pytestmark = pytest.mark.unit

_MIB = 2**20


def _run(streams: int, final_s: float, *failures: str) -> LoadRun:
    return LoadRun(streams, 500, Latencies((0.7,), (), (final_s,) * 20, 20), failures, {"Ingress": 0.1 * streams})


def test_counts_grow_by_fives_and_stop_at_the_most() -> None:
    assert list(counts_to_try(17)) == [1, 2, 5, 10, 15]
    assert list(counts_to_try(1)) == [1]


def test_the_search_ends_behind_the_first_that_is_late() -> None:
    runs = search(lambda count: _run(count, 0.05 * count), 50)
    assert [run.streams for run in runs] == [1, 2, 5, 10, 15, 20]
    assert largest_in_time(runs) == 15


def test_a_failure_is_not_in_time() -> None:
    assert not _run(5, 0.1, "The connection was lost").is_in_time
    assert not LoadRun(1, 500, Latencies(), (), {}).is_in_time
    assert largest_in_time([_run(1, 2.0)]) == 0


def test_latencies_are_shown_in_milliseconds() -> None:
    (row,) = load_table("Latency", [_run(2, 0.5)], "").rows
    assert row == (2, 500, 20, 0, 700.0, 700.0, None, None, 500.0, 500.0, 0.2, 0)


def test_cores_are_those_of_each_process() -> None:
    assert cores_table([_run(1, 0.5), _run(5, 0.5)]).rows == (("Ingress", 0.1, 0.5),)


def test_word_errors_of_both_paths_stand_side_by_side() -> None:
    recording = Recording("read/x", Path("x"), "0", "read", "en", 3.0, text="red river stone cloud")
    heard = HeardTwice(recording, "red river stone", {500: "red river", 300: "red river stone cloud"})
    rows = {row[0]: row[1:4] for row in live_error_table([heard]).rows}
    assert rows == {
        "file": (4, 25.0, 0.0),
        "live, 300 ms of silence": (4, 0.0, -100.0),
        "live, 500 ms of silence": (4, 50.0, 100.0),
    }
    assert heard.as_row()["live_500_ms"] == "red river"


def _samples(*totals_mib: float) -> list[MemorySample]:
    return [MemorySample(float(minute), {"Ingress": mib * _MIB}) for minute, mib in enumerate(totals_mib)]


def test_growth_is_a_slope_behind_the_warm_up() -> None:
    samples = _samples(100, 150, 200, 201, 202, 203)
    assert growth_mib_an_hour(samples, 2.0) == pytest.approx(60.0)
    assert growth_mib_an_hour(samples[:2], 0.0) is None


def test_memory_is_thinned_out_but_keeps_both_ends() -> None:
    rows = memory_table(_samples(*range(100, 221)), 5.0).rows
    assert len(rows) <= 14
    assert rows[0] == (0.0, 100.0, 100.0)
    assert rows[-1] == (120.0, 220.0, 220.0)


def test_parts_of_a_stream_are_scored_alone() -> None:
    utterances = tuple(
        TrueUtterance(TimeSpan(start_s, start_s + 1.0), text) for start_s, text in ((1.0, "red river"), (51.0, "stone"))
    )
    told = [
        Told(20 / 8 + 0.5, LiveTranscript.model_validate(transcript("Red river.", 1.0, 2.0))),
        Told(520 / 8 + 1.0, LiveTranscript.model_validate(transcript("stove", 51.0, 52.0))),
    ]
    # A clock whose figures are binary fractions: sums of them are exact.
    sent_at_s = [index / 8 for index in range(600)]
    endured = Endurance(LiveSpeech(bytes(600 * PIECE_BYTES), utterances), StreamLog(sent_at_s, told), ())
    rows = endurance_table(endured).rows
    assert rows[0] == ("0 to 0", 1, 0, 500.0, 500.0, 0.0)
    assert rows[1][1:] == (0, 0, None, None, None)
    assert rows[-1][1:] == (1, 0, 1000.0, 1000.0, 100.0)
