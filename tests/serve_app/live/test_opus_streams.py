"""Opus, bare and in Ogg: what is decoded, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
import soxr
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts import SAMPLE_RATE_HZ, Samples
from deployments.errors import ClientTooFast, UnsupportedAudio
from serve_app.live.audio.stream_decoder import StreamDecoder
from tests.fakes.opus_streams import OPUS_TAGS, ogg_opus, ogg_page, opus_head, opus_packets, packet_pages, with_checksum
from tests.fakes.recordings import recording
from tests.serve_app.live.stream_decoding import OGG, OPUS, cuts, decoded, pieces

pytestmark = pytest.mark.unit


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


def test_the_stream_before_it_need_not_say_that_it_has_ended() -> None:
    *pages, _ = _pages(ogg_speech())
    cut_off = b"".join(pages)
    both = len(decoded(OGG, [cut_off])) + len(decoded(OGG, [ogg_speech()]))
    assert abs(len(decoded(OGG, [cut_off, ogg_speech()])) - both) <= 1
    # Its client began anew before it had any audio.
    headers = packet_pages([opus_head(), OPUS_TAGS], granules=[0, 0], ends=False, serial=8)
    assert len(decoded(OGG, [headers, ogg_speech()])) == len(decoded(OGG, [ogg_speech()]))


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
