from __future__ import annotations

import pytest

from deployments.contracts import TimeSpan
from load_tests.live_latency import Latencies, latencies_of
from load_tests.live_speech import LiveSpeech, TrueUtterance
from load_tests.live_streams import StreamLog, Told
from serve_app.live_client import PIECE_BYTES, LiveTranscript
from tests.fakes.live_server import transcript

pytestmark = pytest.mark.unit

_BEGUN_S = 1000.0


def _speech(*spans: tuple[float, float], duration_s: float = 20.0) -> LiveSpeech:
    pcm = bytes(int(duration_s * 10) * PIECE_BYTES)
    return LiveSpeech(pcm, tuple(TrueUtterance(TimeSpan(*span), "red river") for span in spans))


def _log(*told: tuple[float, LiveTranscript], sent_s: float = 20.0) -> StreamLog:
    """Piece i is sent 0.1 s after it began; what is told at a time of the stream comes at that time."""
    sent_at_s = [_BEGUN_S + (index + 1) * 0.1 for index in range(round(sent_s * 10))]
    return StreamLog(sent_at_s, [Told(_BEGUN_S + at_s, message) for at_s, message in told])


def _text(start_s: float, end_s: float, *, is_final: bool = True) -> LiveTranscript:
    return LiveTranscript.model_validate(transcript("red river", start_s, end_s, is_final=is_final))


def test_first_text_partials_and_finals_are_counted_from_what_was_sent() -> None:
    log = _log(
        (1.9, _text(1.0, 1.5, is_final=False)),
        (2.6, _text(1.0, 2.2, is_final=False)),
        (3.6, _text(1.0, 3.0)),
    )
    heard = latencies_of(_speech((1.0, 3.0)), log)
    # Audio of the second 1.0 goes out with the message that ends at 1.1.
    assert heard.first_s == pytest.approx((0.8,))
    assert heard.partial_s == pytest.approx((0.3, 0.3))
    assert heard.final_s == pytest.approx((0.5,))
    assert (heard.utterances, heard.missed) == (1, 0)


def test_the_last_of_several_finals_holds_the_end() -> None:
    log = _log((2.5, _text(1.0, 1.8)), (4.6, _text(2.5, 4.0)))
    assert latencies_of(_speech((1.0, 4.0)), log).final_s == pytest.approx((0.5,))


def test_an_end_without_a_final_is_missed() -> None:
    before_the_end = _log((2.5, _text(1.0, 1.8)))
    nothing = _log((2.5, _text(1.0, 1.8, is_final=False)))
    without_words = _log((4.6, LiveTranscript.model_validate(transcript("", 1.0, 4.0))))
    for log in (before_the_end, nothing, without_words):
        heard = latencies_of(_speech((1.0, 4.0)), log)
        assert (heard.final_s, heard.missed) == ((), 1)


def test_utterances_do_not_take_each_others_texts() -> None:
    log = _log((3.5, _text(1.0, 3.1)), (6.9, _text(4.1, 6.2)))
    heard = latencies_of(_speech((1.0, 3.0), (4.0, 6.0)), log)
    assert heard.final_s == pytest.approx((0.4, 0.8))
    assert heard.first_s == pytest.approx((2.4, 2.8))


def test_what_was_not_sent_is_not_missed() -> None:
    log = _log((3.5, _text(1.0, 3.0)), sent_s=5.0)
    assert latencies_of(_speech((1.0, 3.0), (4.0, 6.0)), log).utterances == 1
    assert latencies_of(_speech((1.0, 3.0)), StreamLog(failure="refused")) == Latencies()


def test_a_part_of_a_stream_has_its_own_figures() -> None:
    log = _log((3.5, _text(1.0, 3.0)), (5.0, _text(4.0, 4.5, is_final=False)), (6.9, _text(4.0, 6.0)))
    speech = _speech((1.0, 3.0), (4.0, 6.0))
    first, second = latencies_of(speech, log, 0.0, 3.5), latencies_of(speech, log, 3.5, 20.0)
    assert first.final_s == pytest.approx((0.4,))
    assert first.partial_s == ()
    assert second.final_s == pytest.approx((0.8,))
    assert second.partial_s == pytest.approx((0.4,))
    assert first + second == latencies_of(speech, log)


def test_percentiles_of_nothing_are_nothing() -> None:
    assert Latencies().final_percentile_s(95) is None
    assert Latencies(final_s=(0.3, 0.1, 0.2)).final_percentile_s(50) == 0.2
