"""Where utterances begin and end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from deployments.speech_gate.silero import SileroVad
from serve_app.live.endpointing import (
    CloseCause,
    Endpointer,
    EndpointEvent,
    EndpointingSettings,
    EndRevoked,
    LikelyEnd,
    SpeechOffset,
    SpeechOnset,
    UtteranceClosed,
    UtteranceOpened,
)
from serve_app.live.voice_activity import StreamingVad
from tests.fakes.recordings import recording
from tests.serve_app.live.endpointing_windows import SETTINGS, W, activity, windows

pytestmark = pytest.mark.unit


def heard(*runs: tuple[int, float], settings: EndpointingSettings = SETTINGS) -> list[EndpointEvent]:
    return Endpointer(settings).advance(activity(windows(*runs)))


def test_an_utterance_from_its_preroll_to_its_end() -> None:
    assert heard((10, 0.0), (20, 0.9), (10, 0.0)) == [
        SpeechOnset(10 * W),
        UtteranceOpened(5 * W),
        LikelyEnd(5 * W, 34 * W),
        SpeechOffset(30 * W),
        UtteranceClosed(5 * W, 34 * W, CloseCause.SILENCE),
    ]


def test_events_come_in_the_window_that_proves_them() -> None:
    endpointer = Endpointer(SETTINGS)
    told = {
        index: [type(event) for event in events]
        for index, probability in enumerate(windows((10, 0.0), (20, 0.9), (10, 0.0)))
        if (events := endpointer.advance(activity([probability])))
    }
    assert told == {12: [SpeechOnset, UtteranceOpened], 33: [LikelyEnd], 37: [SpeechOffset, UtteranceClosed]}


@pytest.mark.parametrize("run", [(2, 0.9), (30, 0.45)], ids=["too short", "never entered"])
def test_what_is_not_speech_opens_nothing(run: tuple[int, float]) -> None:
    assert heard((10, 0.0), run, (20, 0.0)) == []


def test_one_doubtful_window_does_not_end_speech() -> None:
    events = heard((10, 0.0), (10, 0.9), (9, 0.4), (10, 0.9))
    assert events == [SpeechOnset(10 * W), UtteranceOpened(5 * W)]


def test_a_short_pause_revokes_the_likely_end() -> None:
    events = heard((10, 0.0), (10, 0.9), (5, 0.0), (10, 0.9), (8, 0.0))
    assert events[2:] == [
        LikelyEnd(5 * W, 24 * W),
        EndRevoked(),
        LikelyEnd(5 * W, 39 * W),
        SpeechOffset(35 * W),
        UtteranceClosed(5 * W, 39 * W, CloseCause.SILENCE),
    ]


def test_the_next_utterance_does_not_take_audio_of_the_one_before() -> None:
    events = heard((10, 0.0), (10, 0.9), (8, 0.0), (10, 0.9))
    assert events[-3:] == [
        UtteranceClosed(5 * W, 24 * W, CloseCause.SILENCE),
        SpeechOnset(28 * W),
        UtteranceOpened(24 * W),
    ]


def test_an_end_silence_below_the_likely_one_needs_no_hint() -> None:
    events = heard((10, 0.0), (10, 0.9), (2, 0.0), settings=replace(SETTINGS, end_silence_s=2 * 0.032))
    assert events[2:] == [SpeechOffset(20 * W), UtteranceClosed(5 * W, 22 * W, CloseCause.SILENCE)]


def test_without_endpointing_silence_ends_speech_but_no_utterance() -> None:
    endpointer = Endpointer(replace(SETTINGS, silence_ends_utterances=False))
    events = endpointer.advance(activity(windows((10, 0.0), (10, 0.9), (12, 0.0))))
    assert events[2:] == [LikelyEnd(5 * W, 24 * W), SpeechOffset(20 * W)]
    assert endpointer.utterance_end == 24 * W
    assert endpointer.advance(activity(windows((5, 0.9)))) == [SpeechOnset(32 * W), EndRevoked()]
    assert endpointer.finalize(37 * W + 100) == [
        SpeechOffset(37 * W + 100),
        UtteranceClosed(5 * W, 37 * W + 100, CloseCause.FINALIZE),
    ]


def test_a_long_utterance_is_cut_in_its_longest_pause() -> None:
    events = heard((10, 0.0), (25, 0.9), (3, 0.1), (5, 0.9), (5, 0.1), (30, 0.9))
    closed = next(event for event in events if isinstance(event, UtteranceClosed))
    assert closed == UtteranceClosed(5 * W, 45 * W + W // 2, CloseCause.LONGEST)
    assert events[events.index(closed) + 1] == UtteranceOpened(closed.end)


def test_a_long_utterance_without_a_pause_is_cut_where_it_is_quietest() -> None:
    levels = [-20.0] * 80
    levels[20] = -90.0  # a click's gap, before the earliest cut
    levels[48:51] = [-50.0, -45.0, -50.0]
    levels[60] = -90.0  # too short to be a dip
    events = Endpointer(SETTINGS).advance(activity(windows((80, 0.9)), levels))
    closed = next(event for event in events if isinstance(event, UtteranceClosed))
    assert closed.end == 49 * W + W // 2


def test_a_long_silence_without_endpointing_does_not_fill_the_window() -> None:
    events = heard((10, 0.0), (10, 0.9), (60, 0.0), settings=replace(SETTINGS, silence_ends_utterances=False))
    assert events[-1] == UtteranceClosed(5 * W, 24 * W, CloseCause.LONGEST)


def test_words_can_split_an_utterance() -> None:
    endpointer = Endpointer(SETTINGS)
    endpointer.advance(activity(windows((10, 0.0), (20, 0.9))))
    assert endpointer.split(20 * W + 7) == [
        UtteranceClosed(5 * W, 20 * W + 7, CloseCause.WORDS),
        UtteranceOpened(20 * W + 7),
    ]
    endpointer.advance(activity(windows((4, 0.0))))
    assert endpointer.split(31 * W) == [UtteranceClosed(20 * W + 7, 31 * W, CloseCause.WORDS)]
    assert endpointer.utterance_end is None
    for at in (31 * W, 40 * W):
        with pytest.raises(ValueError, match="not inside"):
            endpointer.split(at)
    assert endpointer.advance(activity(windows((4, 0.0)))) == [SpeechOffset(30 * W)]


def test_finalize_ends_speech_at_once_and_what_follows_is_new() -> None:
    endpointer = Endpointer(SETTINGS)
    assert endpointer.finalize(0) == []
    endpointer.advance(activity(windows((10, 0.0), (20, 0.9))))
    assert endpointer.finalize(30 * W + 50) == [
        SpeechOffset(30 * W + 50),
        UtteranceClosed(5 * W, 30 * W + 50, CloseCause.FINALIZE),
    ]
    assert endpointer.finalize(30 * W + 50) == []
    # The voice dies away: no utterance of its own.
    assert endpointer.advance(activity([0.9, 0.6, 0.1, 0.0])) == []
    # It goes on: the next begins where the last ended.
    endpointer.advance(activity(windows((20, 0.9))))
    endpointer.finalize(54 * W)
    assert endpointer.advance(activity(windows((5, 0.9)))) == [SpeechOnset(54 * W), UtteranceOpened(54 * W)]


def test_clear_forgets_the_utterance_and_its_audio() -> None:
    endpointer = Endpointer(SETTINGS)
    endpointer.advance(activity(windows((10, 0.0), (20, 0.9))))
    assert endpointer.clear(30 * W + 10) == [SpeechOffset(30 * W + 10)]
    assert endpointer.utterance_end is None
    assert endpointer.advance(activity(windows((4, 0.9)))) == [SpeechOnset(30 * W + 10), UtteranceOpened(30 * W + 10)]


def test_a_threshold_brings_its_exit_along() -> None:
    assert EndpointingSettings().with_threshold(0.6).exit_probability == pytest.approx(0.45)
    assert EndpointingSettings().with_threshold(0.05).exit_probability == 0.01
    assert EndpointingSettings().with_threshold(0.005).exit_probability == 0.005


@pytest.mark.parametrize(
    "wrong",
    [{"exit_probability": 0.6}, {"end_silence_s": 0.0}, {"preroll_s": -0.1}, {"earliest_cut": 1.0}, {"longest_s": 1.0}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"exit_probability|durations|earliest_cut|longest_s"):
        EndpointingSettings(**wrong)  # type: ignore[arg-type]


@pytest.mark.engine
def test_a_reader_is_heard_sentence_by_sentence() -> None:
    clip = np.concatenate([recording("two_cities")[: 20 * 16_000], np.zeros(16_000, np.float32)])
    endpointer = Endpointer(EndpointingSettings())
    events = endpointer.advance(StreamingVad(SileroVad()).advance(clip))
    closed = [event for event in events if isinstance(event, UtteranceClosed)]
    assert len(closed) >= 3
    assert all(event.cause is CloseCause.SILENCE for event in closed)
    likely = {(event.start, event.end) for event in events if isinstance(event, LikelyEnd)}
    assert all((event.start, event.end) in likely for event in closed)
    # All that is loud lies in an utterance, but for a breath half a second before the first word.
    loud = np.flatnonzero(np.abs(clip) > 0.1 * np.abs(clip).max())
    inside = np.zeros(len(clip), np.bool_)
    for event in closed:
        inside[event.start : event.end] = True
    assert inside[loud].mean() > 0.998
    assert endpointer.utterance_end is None


@pytest.mark.engine
def test_a_reader_who_may_not_pause_is_cut_between_words() -> None:
    clip = recording("two_cities")[: 40 * 16_000]
    patient = EndpointingSettings(silence_ends_utterances=False, longest_s=8.0)
    events = Endpointer(patient).advance(StreamingVad(SileroVad()).advance(clip))
    cuts = [event for event in events if isinstance(event, UtteranceClosed)]
    assert len(cuts) >= 4
    for cut in cuts:
        around = clip[cut.end - 800 : cut.end + 800]
        assert np.sqrt(np.mean(around**2)) < 0.2 * np.sqrt(np.mean(clip**2))
