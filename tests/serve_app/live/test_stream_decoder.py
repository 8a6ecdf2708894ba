"""Streams of samples, and what holds for streams of all encodings."""

from __future__ import annotations

import struct

import av
import numpy as np
import pytest
from av.audio.codeccontext import AudioCodecContext
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts import SAMPLE_RATE_HZ
from deployments.errors import ClientTooFast, InvalidParameter, UnsupportedAudio
from serve_app.live.audio.stream_decoder import StreamDecoder
from serve_app.live.contracts import AudioFormat, Encoding
from tests.serve_app.live.stream_decoding import OGG, OPUS, cuts, decoded, pieces

pytestmark = pytest.mark.unit


def test_linear_samples_are_scaled_to_one() -> None:
    short = struct.pack("<4h", 0, 16_384, -32_768, 32_767)
    assert decoded(AudioFormat(), [short]).tolist() == [0.0, 0.5, -1.0, np.float32(32_767 / 32_768)]
    long = struct.pack("<3i", 0, 1 << 30, -(1 << 31))
    assert decoded(AudioFormat(Encoding.PCM_S32), [long]).tolist() == [0.0, 0.5, -1.0]


@pytest.mark.parametrize(("encoding", "codec"), [(Encoding.MULAW, "pcm_mulaw"), (Encoding.ALAW, "pcm_alaw")])
def test_every_g711_code_is_what_ffmpeg_makes_of_it(encoding: Encoding, codec: str) -> None:
    codes = bytes(range(256))
    reference = av.CodecContext.create(codec, "r")
    assert isinstance(reference, AudioCodecContext)
    reference.layout, reference.sample_rate = "mono", 8000
    (frame,) = reference.decode(av.Packet(codes))
    assert frame.format.name == "s16"
    ours = decoded(AudioFormat(encoding, SAMPLE_RATE_HZ), [codes])
    np.testing.assert_array_equal(ours, frame.to_ndarray()[0] / np.float32(32_768))


@given(
    encoding=st.sampled_from([Encoding.PCM_S16, Encoding.PCM_S32, Encoding.MULAW, Encoding.ALAW]),
    rate_hz=st.sampled_from([8000, 16_000, 22_050, 44_100]) | st.integers(8000, 48_000),
    data=st.binary(max_size=4000),
    cuts=cuts,
)
def test_where_a_stream_is_cut_does_not_matter(encoding: Encoding, rate_hz: int, data: bytes, cuts: list[int]) -> None:
    audio = AudioFormat(encoding, rate_hz)
    whole = decoded(audio, [data])
    np.testing.assert_array_equal(decoded(audio, pieces(data, cuts)), whole)
    width = {Encoding.PCM_S16: 2, Encoding.PCM_S32: 4}.get(encoding, 1)
    assert abs(len(whole) - len(data) // width * SAMPLE_RATE_HZ / rate_hz) <= 1


@pytest.mark.parametrize("rate_hz", [8000, 11_025, 22_050, 24_000, 44_100, 48_000])
def test_a_tone_keeps_its_pitch_level_and_place(rate_hz: int) -> None:
    times_s = np.arange(rate_hz) / rate_hz
    tone = np.round(16_000 * np.sin(2 * np.pi * 300 * times_s)).astype("<i2").tobytes()
    samples = decoded(AudioFormat(Encoding.PCM_S16, rate_hz), pieces(tone, range(0, len(tone), 333)))
    assert abs(len(samples) - SAMPLE_RATE_HZ) <= 1
    expected = 16_000 / 32_768 * np.sin(2 * np.pi * 300 * np.arange(len(samples)) / SAMPLE_RATE_HZ)
    # An eighth of a millisecond is what a 300 Hz tone of this level moves by.
    np.testing.assert_allclose(samples[800:-800], expected[800:-800], atol=0.12)
    assert np.abs(samples[800:-800]).max() == pytest.approx(16_000 / 32_768, rel=0.01)


@pytest.mark.parametrize("rate_hz", [8000, 11_025, 24_000, 44_100, 48_000])
def test_little_audio_is_held_back(rate_hz: int) -> None:
    decoder = StreamDecoder(AudioFormat(Encoding.PCM_S16, rate_hz))
    given_s = returned_s = most_s = 0.0
    for _ in range(100):
        returned_s += len(decoder.decode(bytes(2 * (rate_hz // 50)))) / SAMPLE_RATE_HZ
        given_s += rate_hz // 50 / rate_hz
        most_s = max(most_s, given_s - returned_s)
    assert most_s < 0.045


@pytest.mark.parametrize("rate_hz", [0, 7999, 48_001, -16_000])
def test_rates_outside_the_range_are_named(rate_hz: int) -> None:
    with pytest.raises(InvalidParameter) as raised:
        StreamDecoder(AudioFormat(Encoding.MULAW, rate_hz))
    assert raised.value.parameter == "sample_rate"
    StreamDecoder(AudioFormat(Encoding.OPUS, rate_hz))  # which knows its own


@pytest.mark.parametrize("encoding", [Encoding.PCM_S16, Encoding.MULAW])
def test_a_message_of_too_much_audio_is_refused(encoding: Encoding) -> None:
    audio = AudioFormat(encoding, 8000)
    width = 2 if encoding is Encoding.PCM_S16 else 1
    StreamDecoder(audio, max_message_s=1.0).decode(bytes(8000 * width))
    with pytest.raises(ClientTooFast) as raised:
        StreamDecoder(audio, max_message_s=1.0).decode(bytes(8001 * width))
    assert raised.value.limit_s == 1.0


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_garbage_is_refused_or_decoded(messages: list[bytes]) -> None:
    for audio in (OGG, OPUS):
        try:
            samples = decoded(audio, messages)
        except UnsupportedAudio:
            continue
        assert np.all(np.isfinite(samples))
