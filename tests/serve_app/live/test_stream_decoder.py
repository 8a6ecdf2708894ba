from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import av
import numpy as np
import pytest
import soxr
from av.audio.codeccontext import AudioCodecContext
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts import SAMPLE_RATE_HZ, Samples
from deployments.errors import ClientTooFast, InvalidParameter, UnsupportedAudio
from serve_app.live.audio.stream_decoder import StreamDecoder
from serve_app.live.contracts import AudioFormat, Encoding
from tests.fakes.opus_streams import (
    OPUS_TAGS,
    ogg_opus,
    ogg_page,
    opus_head,
    opus_packets,
    packet_pages,
    with_checksum,
)
from tests.fakes.recordings import recording

pytestmark = pytest.mark.unit


def decoded(audio: AudioFormat, messages: Sequence[bytes]) -> Samples:
    decoder = StreamDecoder(audio)
    return np.concatenate([*(decoder.decode(message) for message in messages), decoder.flush()])


def pieces(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[first:last] for first, last in pairwise(edges)]


cuts = st.lists(st.integers(0, 1 << 30), max_size=20)
OGG = AudioFormat(Encoding.OGG_OPUS)
OPUS = AudioFormat(Encoding.OPUS)


@cache
def speech_48k() -> Samples:
    """Two seconds and a bit of a reader at Opus' rate."""
    clip = recording("two_cities")[2 * SAMPLE_RATE_HZ :][: 2 * SAMPLE_RATE_HZ + 1234]
    return np.asarray(soxr.resample(clip, SAMPLE_RATE_HZ, 48_000), np.float32)


@cache
def ogg_speech() -> bytes:
    return ogg_opus(speech_48k())


def lag_of(samples: Samples, reference: Samples) -> int:
    """Samples by which the first comes after the second, within 50 ms."""
    reach = 800
    middle = reference[reach:-reach]
    scores = [float(np.dot(samples[shift : shift + len(middle)], middle)) for shift in range(2 * reach)]
    return int(np.argmax(scores)) - reach


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


def test_opus_packets_are_the_audio_that_went_in() -> None:
    packets = opus_packets(speech_48k())
    samples = decoded(OPUS, packets)
    assert len(samples) == len(packets) * 320
    reference = recording("two_cities")[2 * SAMPLE_RATE_HZ :][: len(samples)]
    assert abs(lag_of(samples, reference) - 104) <= 3  # the encoder's 6.5 ms: bare packets do not tell them
    assert len(decoded(OPUS, [b""])) == 0


@pytest.mark.parametrize("layout", ["mono", "stereo"])
def test_an_ogg_stream_is_as_long_as_it_says_and_in_place(layout: str) -> None:
    samples = decoded(OGG, [ogg_opus(speech_48k(), layout)])
    assert abs(len(samples) - len(speech_48k()) / 3) <= 1
    reference = recording("two_cities")[2 * SAMPLE_RATE_HZ :][: len(samples)]
    assert abs(lag_of(samples, reference)) <= 1
    assert np.std(samples) == pytest.approx(np.std(reference), rel=0.1)


@given(cuts=cuts)
def test_where_an_ogg_stream_is_cut_does_not_matter(cuts: list[int]) -> None:
    data = ogg_speech()[:9000]
    np.testing.assert_array_equal(decoded(OGG, pieces(data, cuts)), decoded(OGG, [data]))


def test_an_ogg_stream_may_come_byte_by_byte() -> None:
    data = ogg_speech()
    np.testing.assert_array_equal(decoded(OGG, pieces(data, range(len(data)))), decoded(OGG, [data]))


def test_one_ogg_stream_may_follow_another() -> None:
    once = len(decoded(OGG, [ogg_speech()]))
    assert abs(len(decoded(OGG, [ogg_speech(), ogg_speech()])) - 2 * once) <= 1


def by_hand(packets: Sequence[bytes], head: bytes, granules: Sequence[int], *, ends: bool = True) -> bytes:
    return packet_pages([head, OPUS_TAGS, *packets], granules=[0, 0, *granules], ends=ends)


def test_the_first_page_of_a_stream_joined_late_counts_as_its_beginning() -> None:
    packets = opus_packets(speech_48k())[:10]
    granules = [1_000_000 + 960 * (index + 1) for index in range(10)]
    granules[-1] -= 480  # half of the last packet is behind the end
    samples = decoded(OGG, [by_hand(packets, opus_head(), granules)])
    assert len(samples) == (10 * 960 - 480 - 312) // 3


def test_an_end_without_a_position_keeps_everything() -> None:
    packets = opus_packets(speech_48k())[:3]
    assert len(decoded(OGG, [by_hand(packets, opus_head(pre_skip=0), [960, 1920, -1])])) == 960


def test_the_output_gain_is_applied_and_bounded() -> None:
    packets = opus_packets(speech_48k())
    granules = [960 * (index + 1) for index in range(len(packets))]
    plain = decoded(OGG, [by_hand(packets, opus_head(), granules)])
    quiet = decoded(OGG, [by_hand(packets, opus_head(gain_256th_db=-6 * 256), granules)])
    np.testing.assert_allclose(quiet, plain * 10 ** (-6 / 20), atol=1e-5)
    loud = decoded(OGG, [by_hand(packets, opus_head(gain_256th_db=32_767), granules)])
    assert np.abs(loud).max() < 4  # full scale, and what a resampler makes of an edge


def test_other_streams_between_the_pages_are_left_out() -> None:
    packets = opus_packets(speech_48k())[:2]
    pages = by_hand(packets, opus_head(), [960, 1920])
    first = 28 + len(opus_head())
    stranger = ogg_page([5], b"video", flags=2, serial=99)
    assert len(decoded(OGG, [pages[:first], stranger, pages[first:]])) == (1920 - 312) // 3


def test_a_packet_may_lie_on_several_pages_and_share_them() -> None:
    packets = opus_packets(speech_48k())[20:24]
    tags = OPUS_TAGS + bytes(600)
    start = packet_pages([opus_head(pre_skip=0)], granules=[0], ends=False)
    tail = tags[510:]
    stream = (
        start
        + ogg_page([255, 255], tags[:510], sequence=1)
        + ogg_page([len(tail), *map(len, packets[:3])], tail + b"".join(packets[:3]), flags=1, sequence=2, granule=2880)
        + ogg_page([len(packets[3])], packets[3], flags=4, sequence=3, granule=3840)
    )
    assert len(tail) < 255
    expected = by_hand(packets, opus_head(pre_skip=0), [960, 1920, 2880, 3840])
    np.testing.assert_array_equal(decoded(OGG, [stream]), decoded(OGG, [expected]))


def test_a_packet_whose_beginning_is_lost_is_dropped() -> None:
    packets = opus_packets(speech_48k())[:2]
    headers = packet_pages([opus_head(pre_skip=0), OPUS_TAGS], granules=[0, 0], ends=False)
    lost_begin = ogg_page([40, len(packets[1])], bytes(40) + packets[1], flags=1, sequence=9, granule=960)
    assert len(decoded(OGG, [headers + lost_begin])) == 320


@pytest.mark.parametrize(
    "stream",
    [
        b"RIFF\x00\x00\x00\x00WAVE",
        b"Og" + bytes(30),
        ogg_page([5], b"hello"),
        ogg_page([5], b"hello", flags=2),
        packet_pages([opus_head(channels=6), OPUS_TAGS], granules=[0, 0]),
        packet_pages([opus_head(version=16), OPUS_TAGS], granules=[0, 0]),
        packet_pages([opus_head(), b"Vorbis, perhaps"], granules=[0, 0]),
        packet_pages([opus_head(), OPUS_TAGS, b""], granules=[0, 0, 0]),
        packet_pages([opus_head(), OPUS_TAGS, b"\xff"], granules=[0, 0, 0]),
    ],
    ids=["wav", "no-pattern", "no-first-page", "no-opus", "six-channels", "version", "no-tags", "empty", "no-packet"],
)
def test_what_is_no_ogg_opus_is_refused(stream: bytes) -> None:
    with pytest.raises(UnsupportedAudio):
        decoded(OGG, [stream])


def test_a_flipped_bit_is_noticed() -> None:
    damaged = bytearray(ogg_speech())
    damaged[2000] ^= 4
    with pytest.raises(UnsupportedAudio, match="damaged"):
        decoded(OGG, [bytes(damaged)])


def test_comments_have_a_limit() -> None:
    head = packet_pages([opus_head()], granules=[0], ends=False)
    endless = (ogg_page([255] * 255, bytes(65_025), flags=int(index > 0), sequence=index + 1) for index in range(100))
    decoder = StreamDecoder(OGG)
    decoder.decode(head)
    with pytest.raises(UnsupportedAudio, match="more than 1048576 bytes"):
        decoder.decode(b"".join(endless))


@pytest.mark.parametrize("encoding", [Encoding.PCM_S16, Encoding.MULAW])
def test_a_message_of_too_much_audio_is_refused(encoding: Encoding) -> None:
    audio = AudioFormat(encoding, 8000)
    width = 2 if encoding is Encoding.PCM_S16 else 1
    StreamDecoder(audio, max_message_s=1.0).decode(bytes(8000 * width))
    with pytest.raises(ClientTooFast) as raised:
        StreamDecoder(audio, max_message_s=1.0).decode(bytes(8001 * width))
    assert raised.value.limit_s == 1.0


# 48 frames of 2.5 ms without a byte: configuration 28, code 3 (RFC 6716, §3.2.5).
_DENSEST_PACKET = b"\xe3\x30"


def test_two_bytes_can_be_much_audio() -> None:
    assert len(decoded(OPUS, [_DENSEST_PACKET] * 10)) == 10 * 1920


@pytest.mark.parametrize(("flags", "granule"), [(0, 0), (4, 0)], ids=["heard", "cut off by the end"])
def test_few_bytes_of_much_audio_are_refused_before_all_is_decoded(flags: int, granule: int) -> None:
    headers = packet_pages([opus_head(), OPUS_TAGS], granules=[0, 0], ends=False)
    dense = ogg_page([2] * 255, _DENSEST_PACKET * 255, flags=flags, sequence=2, granule=granule)
    decoder = StreamDecoder(OGG, max_message_s=40.0)
    with pytest.raises(ClientTooFast):
        decoder.decode((headers + dense) * 2 if flags else headers + dense * 1000)


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_garbage_is_refused_or_decoded(messages: list[bytes]) -> None:
    for audio in (OGG, OPUS):
        try:
            samples = decoded(audio, messages)
        except UnsupportedAudio:
            continue
        assert np.all(np.isfinite(samples))


@given(st.data())
def test_damage_under_a_right_checksum_is_refused_or_decoded(data: st.DataObject) -> None:
    packets = opus_packets(speech_48k()[:9600])
    pages = [
        bytearray(page)
        for page in _pages(by_hand(packets, opus_head(), [960 * (index + 1) for index in range(len(packets))]))
    ]
    for _ in range(data.draw(st.integers(1, 4))):
        page = data.draw(st.sampled_from(pages))
        page[data.draw(st.integers(0, len(page) - 1))] = data.draw(st.integers(0, 255))
    try:
        samples = decoded(OGG, [with_checksum(bytes(page)) for page in pages])
    except UnsupportedAudio:
        return
    assert np.all(np.isfinite(samples))
    assert len(samples) <= len(packets) * 0.12 * SAMPLE_RATE_HZ


def _pages(stream: bytes) -> list[bytes]:
    starts = [index for index in range(len(stream)) if stream.startswith(b"OggS", index)]
    return [stream[first:last] for first, last in zip(starts, [*starts[1:], len(stream)], strict=True)]
