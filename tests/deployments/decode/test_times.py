from __future__ import annotations

import io
from collections.abc import Callable

import av
import numpy as np
import pytest

from deployments.contracts import SAMPLE_RATE_HZ, WarningCode, Waveform
from deployments.decode.limits import DecodeLimits
from deployments.decode.pyav_engine import PyAvDecoder
from tests.fakes.audio_files import FORMATS, FloatArray, encode, sine

pytestmark = pytest.mark.unit

DURATION_S = 20.0

TimeOf = Callable[[int, float], float | None]
"""From a packet's number and time to its time in the copy; None drops it."""


def decode(data: bytes) -> Waveform:
    return PyAvDecoder(DecodeLimits()).decode(data)


def copy_of(data: bytes, container: str, time_of: TimeOf) -> bytes:
    """Copy a recording packet by packet into a container; pictures keep their times."""
    copy = io.BytesIO()
    with av.open(io.BytesIO(data), "r") as source, av.open(copy, "w", format=container) as target:
        streams = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        counts = dict.fromkeys(streams, 0)
        for packet in source.demux():
            if packet.pts is None:
                continue
            index = packet.stream.index
            from_s = float(packet.pts * packet.time_base)
            time_s = time_of(counts[index], from_s) if packet.stream.type == "audio" else from_s
            counts[index] += 1
            if time_s is not None:
                packet.pts = packet.dts = round(time_s / packet.time_base)
                packet.stream = streams[index]
                target.mux(packet)
    return copy.getvalue()


def shifted_by(later_s: float) -> TimeOf:
    return lambda _, time_s: time_s + later_s


def tone_at_the_end(name: str) -> bytes:
    """Silence, and a tone in the last second but one."""
    rate_hz = FORMATS[name].rate_hz
    samples = np.zeros(round(DURATION_S * rate_hz))
    start = round((DURATION_S - 2.0) * rate_hz)
    samples[start : start + rate_hz] = sine(500.0, 1.0, rate_hz)
    return encode(samples, FORMATS[name])


def tone_starts_s(samples: FloatArray) -> float:
    return float(np.argmax(np.abs(samples) > 0.1)) / SAMPLE_RATE_HZ


@pytest.mark.parametrize(
    ("name", "container", "warnings"),
    [
        ("webm-opus-streamed", "webm", []),
        ("mka-flac", "matroska", [WarningCode.AUDIO_TRUNCATED]),
        ("m4a-aac-44k", "flv", [WarningCode.AUDIO_TRUNCATED]),
    ],
)
def test_words_behind_many_lost_packets_keep_their_times(
    name: str, container: str, warnings: list[WarningCode]
) -> None:
    def lossy(index: int, time_s: float) -> float | None:
        return None if index % 10 == 5 and time_s < DURATION_S - 3.0 else time_s

    waveform = decode(copy_of(tone_at_the_end(name), container, lossy))

    assert tone_starts_s(waveform.samples) == pytest.approx(DURATION_S - 2.0, abs=0.15)
    assert [warning.code for warning in waveform.warnings] == warnings


@pytest.mark.parametrize(("name", "container"), [("webm-opus-streamed", "webm"), ("m4a-aac-44k", "flv")])
def test_words_behind_a_long_pause_keep_their_times(name: str, container: str) -> None:
    paused = copy_of(tone_at_the_end(name), container, lambda _, time_s: time_s + 30.0 if time_s > 5.0 else time_s)

    assert tone_starts_s(decode(paused).samples) == pytest.approx(30.0 + DURATION_S - 2.0, abs=0.1)


def test_transport_streams_in_a_row_follow_on_each_other_whatever_their_clocks() -> None:
    part = encode(sine(500.0, 5.0), FORMATS["mpegts-aac"])

    for later_s in (0.0, 3.0, 100.0):
        later = copy_of(part, "mpegts", shifted_by(later_s))
        assert decode(part + later).duration_s == pytest.approx(10.0, abs=0.3)


@pytest.mark.parametrize(
    ("name", "container"), [("mka-flac", "matroska"), ("ogg-opus", "ogg"), ("mpegts-aac", "mpegts"), ("flv-aac", "flv")]
)
@pytest.mark.parametrize("starts_s", [100.0, 9_000.0])
def test_a_recording_of_a_running_stream_begins_with_its_first_frame(
    name: str, container: str, starts_s: float
) -> None:
    part = copy_of(encode(sine(500.0, 5.0, FORMATS[name].rate_hz), FORMATS[name]), container, shifted_by(starts_s))

    waveform = decode(part)

    assert waveform.duration_s == pytest.approx(5.0, abs=0.15)
    assert waveform.warnings == ()


@pytest.mark.parametrize("later_s", [100.0, 20_000.0])
def test_the_clocks_of_transport_streams_in_a_row_state_no_length(later_s: float) -> None:
    part = encode(sine(500.0, 5.0), FORMATS["mpegts-aac"])

    for first_s, second_s in ((0.0, later_s), (later_s, 0.0)):
        joined = copy_of(part, "mpegts", shifted_by(first_s)) + copy_of(part, "mpegts", shifted_by(second_s))
        waveform = decode(joined)
        assert waveform.duration_s == pytest.approx(10.0, abs=0.3)
        assert waveform.warnings == ()


@pytest.mark.parametrize("container", ["matroska", "mp4", "mpegts"])
def test_sound_that_begins_behind_the_pictures_keeps_its_time(container: str) -> None:
    video = tone_at_the_end("mp4-aac-with-pictures")

    together = decode(copy_of(video, container, shifted_by(0.0)))
    late = decode(copy_of(video, container, shifted_by(3.0)))

    assert tone_starts_s(together.samples) == pytest.approx(DURATION_S - 2.0, abs=0.05)
    assert tone_starts_s(late.samples) == pytest.approx(DURATION_S - 2.0 + 3.0, abs=0.05)
    assert together.warnings == late.warnings == ()
