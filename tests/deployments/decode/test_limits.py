from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
import pytest

from deployments.decode.limits import DecodeLimits
from deployments.decode.pyav_engine import PyAvDecoder
from deployments.errors import AudioTooLarge, AudioTooLong, Cancelled, DeadlineExceeded, UnsupportedAudio
from tests.fakes.audio_files import FORMATS, AudioFormat, encode, encode_wav, sine

pytestmark = pytest.mark.unit

HOUR_OF_SILENCE_S = 3600


class CountingStop:
    """should_stop that counts how often it was asked, and turns true after a number of questions."""

    def __init__(self, true_after: int | None = None) -> None:
        self.asked = 0
        self._true_after = true_after

    def __call__(self) -> bool:
        self.asked += 1
        return self._true_after is not None and self.asked > self._true_after


@pytest.fixture(scope="module")
def flac_bomb() -> bytes:
    """A long silence in few bytes whose header does not say how long it is."""
    flac = FORMATS["flac"]
    data = bytearray(encode(np.zeros(HOUR_OF_SILENCE_S * flac.rate_hz // 4), flac))
    # RFC 9639, section 8.2: the low 36 bits of bytes 18 to 25 count the samples, and 0 means unknown.
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    return bytes(data)


def test_max_bytes_is_refused_before_decoding() -> None:
    data = encode_wav(sine(440.0, 1.0))
    stop = CountingStop()

    with pytest.raises(AudioTooLarge) as caught:
        PyAvDecoder(DecodeLimits(max_bytes=len(data) - 1)).decode(data, stop)

    assert caught.value.max_bytes == len(data) - 1
    assert stop.asked == 0


def test_max_bytes_itself_is_accepted() -> None:
    data = encode_wav(sine(440.0, 1.0))

    assert PyAvDecoder(DecodeLimits(max_bytes=len(data))).decode(data).duration_s == 1.0


@pytest.mark.parametrize("name", ["wav-s16", "flac", "m4a-aac-44k", "ogg-opus", "mka-flac"])
def test_max_duration_s_that_the_header_passes_is_refused_before_decoding(name: str) -> None:
    data = encode(sine(440.0, 20.0, FORMATS[name].rate_hz), FORMATS[name])
    whole, refused = CountingStop(), CountingStop()
    PyAvDecoder(DecodeLimits()).decode(data, whole)

    with pytest.raises(AudioTooLong) as caught:
        PyAvDecoder(DecodeLimits(max_duration_s=19.0)).decode(data, refused)

    assert caught.value.max_duration_s == 19.0
    # Reads of the header are all that was asked about: no packet was decoded.
    assert refused.asked < whole.asked / 10


@pytest.mark.parametrize("name", ["webm-opus-streamed", "mp3-without-length-tag", "aac-adts", "amr"])
def test_max_duration_s_is_counted_where_no_header_states_it(name: str) -> None:
    data = encode(sine(440.0, 20.0, FORMATS[name].rate_hz), FORMATS[name])
    whole, refused = CountingStop(), CountingStop()
    PyAvDecoder(DecodeLimits()).decode(data, whole)

    with pytest.raises(AudioTooLong):
        PyAvDecoder(DecodeLimits(max_duration_s=5.0)).decode(data, refused)

    assert refused.asked < whole.asked * 0.6


def test_a_compression_bomb_is_stopped_early_and_in_little_memory(flac_bomb: bytes) -> None:
    limit_s = 10.0
    whole, refused = CountingStop(), CountingStop()
    PyAvDecoder(DecodeLimits()).decode(flac_bomb, whole)

    tracemalloc.start()
    with pytest.raises(AudioTooLong):
        PyAvDecoder(DecodeLimits(max_duration_s=limit_s)).decode(flac_bomb, refused)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert refused.asked < whole.asked / 10
    # The waveform at the limit, one block before the resampler and one read.
    assert peak_bytes < limit_s * 16_000 * 4 + 1_000_000


def test_the_waveform_is_never_held_twice(flac_bomb: bytes) -> None:
    tracemalloc.start()
    waveform = PyAvDecoder(DecodeLimits()).decode(flac_bomb)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak_bytes < 1.3 * waveform.samples.nbytes


def test_max_duration_s_itself_is_accepted() -> None:
    data = encode_wav(sine(440.0, 2.0))

    assert PyAvDecoder(DecodeLimits(max_duration_s=2.0)).decode(data).duration_s == 2.0


def test_max_wall_s_ends_a_slow_decode() -> None:
    data = encode_wav(sine(440.0, 20.0))
    seconds = itertools.count()  # each look at the clock finds one second more gone

    with pytest.raises(DeadlineExceeded, match="longer than 30 seconds"):
        PyAvDecoder(DecodeLimits(max_wall_s=30.0), clock=lambda: float(next(seconds))).decode(data)

    assert next(seconds) < 40


def test_more_channels_than_a_planar_frame_can_hold_are_refused() -> None:
    many = AudioFormat("wv", "wavpack", channels=16)

    with pytest.raises(UnsupportedAudio, match="16 channels"):
        PyAvDecoder(DecodeLimits()).decode(encode(sine(440.0, 1.0), many))


def test_as_many_channels_as_a_planar_frame_can_hold_are_accepted() -> None:
    many = AudioFormat("wv", "wavpack", channels=8, sample_format="fltp")

    samples = PyAvDecoder(DecodeLimits()).decode(encode(sine(440.0, 1.0), many)).samples

    # The bass channel of 7.1 is left out, all others carry the tone.
    np.testing.assert_allclose(samples, sine(440.0, 1.0), atol=1e-3)


def test_many_channels_in_one_plane_are_accepted() -> None:
    many = AudioFormat("wav", "pcm_s16le", channels=16)

    assert PyAvDecoder(DecodeLimits()).decode(encode(sine(440.0, 1.0), many)).duration_s == 1.0


@pytest.mark.parametrize("asked_before", [0, 1, 5, 50])
def test_a_cancelled_decode_stops_at_the_next_packet(asked_before: int, capfd: pytest.CaptureFixture[str]) -> None:
    data = encode(sine(440.0, 30.0, 44_100), FORMATS["mp3-44k-stereo"])
    stop = CountingStop(true_after=asked_before)

    with pytest.raises(Cancelled):
        PyAvDecoder(DecodeLimits()).decode(data, stop)

    assert stop.asked == asked_before + 1
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", ["max_bytes", "max_duration_s", "max_wall_s"])
def test_limits_must_be_positive(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        DecodeLimits(**{name: 0})
