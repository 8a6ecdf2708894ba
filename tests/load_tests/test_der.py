from __future__ import annotations

from pathlib import Path

import pytest

from deployments.contracts import SpeakerTurn
from load_tests.der import DiarizationErrors, count_diarization_errors, read_rttm

pytestmark = pytest.mark.unit


def test_names_of_speakers_do_not_matter() -> None:
    truth = [SpeakerTurn("anna", 0, 2), SpeakerTurn("ben", 3, 5)]
    found = [SpeakerTurn("SPEAKER_00", 0, 2), SpeakerTurn("SPEAKER_01", 3, 5)]
    assert count_diarization_errors(truth, found, 6.0).percent == pytest.approx(0)


def test_each_kind_of_error_is_counted_in_seconds() -> None:
    truth = [SpeakerTurn("anna", 0, 4), SpeakerTurn("ben", 4, 8)]
    found = [SpeakerTurn("0", 1, 5), SpeakerTurn("1", 5, 9)]
    errors = count_diarization_errors(truth, found, 10.0)
    assert (errors.missed_s, errors.false_alarm_s, errors.confused_s, errors.reference_s) == pytest.approx((1, 1, 1, 8))
    assert errors.percent == pytest.approx(37.5)


def test_overlap_counts_for_each_speaker() -> None:
    truth = [SpeakerTurn("anna", 0, 4), SpeakerTurn("ben", 2, 4)]
    errors = count_diarization_errors(truth, [SpeakerTurn("0", 0, 4)], 4.0)
    assert (errors.missed_s, errors.reference_s) == pytest.approx((2, 6))


def test_no_collar_forgives_edges() -> None:
    errors = count_diarization_errors([SpeakerTurn("a", 1, 2)], [SpeakerTurn("0", 0.9, 2.1)], 3.0)
    assert errors.false_alarm_s == pytest.approx(0.2)


def test_overlapping_turns_of_one_speaker_count_once() -> None:
    found = [SpeakerTurn("0", 0, 2), SpeakerTurn("0", 1, 3)]
    assert count_diarization_errors([SpeakerTurn("a", 0, 3)], found, 3.0).percent == pytest.approx(0)


def test_speech_found_outside_the_truth_is_a_false_alarm_to_the_end_of_the_recording() -> None:
    errors = count_diarization_errors([SpeakerTurn("a", 0, 1)], [SpeakerTurn("0", 0, 1), SpeakerTurn("0", 8, 10)], 10.0)
    assert errors.false_alarm_s == pytest.approx(2)


def test_errors_are_pooled() -> None:
    pooled = DiarizationErrors(1, 0, 0, 2) + DiarizationErrors(0, 0, 0, 8)
    assert pooled.percent == pytest.approx(10)
    assert DiarizationErrors(false_alarm_s=3).percent is None


def test_rttm(tmp_path: Path) -> None:
    path = tmp_path / "talk.rttm"
    path.write_text("SPEAKER talk 1 2.130 11.050 <NA> <NA> MEE009 <NA> <NA>\n\nLEXEME talk 1 1 1 x lex MEE009 <NA>\n")
    (turn,) = read_rttm(path)
    assert (turn.speaker, turn.start_s) == ("MEE009", 2.13)
    assert turn.end_s == pytest.approx(13.18)
