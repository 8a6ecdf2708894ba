from __future__ import annotations

import io
import struct

import av
import numpy as np
import pytest

from deployments.contracts import SAMPLE_RATE_HZ, WarningCode, Waveform
from deployments.decode.limits import DecodeLimits
from deployments.decode.pyav_engine import PyAvDecoder
from deployments.errors import UnsupportedAudio
from tests.fakes.audio_files import FORMATS, encode, encode_wav, hiss, sine

pytestmark = pytest.mark.unit

DURATION_S = 10.0


def decode(data: bytes) -> Waveform:
    return PyAvDecoder(DecodeLimits()).decode(data)


def file_of(name: str) -> bytes:
    return encode(sine(440.0, DURATION_S, FORMATS[name].rate_hz), FORMATS[name])


def with_data_length(wav: bytes, length: int) -> bytes:
    at = wav.index(b"data") + 4
    return wav[:at] + struct.pack("<I", length) + wav[at + 4 :]


def without_packets(data: bytes, from_s: float, to_s: float) -> bytes:
    """Copy a recording, dropping the packets of a stretch but not their time."""
    copy = io.BytesIO()
    with av.open(io.BytesIO(data), "r") as source, av.open(copy, "w", format="webm") as target:
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(audio=0):
            if packet.pts is not None and not from_s <= float(packet.pts * packet.time_base) < to_s:
                packet.stream = stream
                target.mux(packet)
    return copy.getvalue()


@pytest.mark.parametrize(
    "name",
    [
        *("wav-s16", "wav-mulaw-8k", "w64", "rf64", "aiff-22k", "au-mulaw-8k", "caf-s16", "flac", "amr"),
        *("mp3-44k-stereo", "ogg-opus", "ogg-vorbis-stereo", "webm-opus-stereo", "mka-flac", "wma-44k"),
    ],
)
def test_a_cut_file_gives_its_first_part_and_a_warning(name: str) -> None:
    data = file_of(name)

    waveform = decode(data[: len(data) * 6 // 10 + 7])

    assert 0.4 * DURATION_S < waveform.duration_s < 0.8 * DURATION_S
    assert [warning.code for warning in waveform.warnings] == [WarningCode.AUDIO_TRUNCATED]


def test_the_warning_says_how_much_was_found_of_how_much() -> None:
    data = file_of("flac")

    message = decode(data[: len(data) // 2]).warnings[0].message

    assert message.endswith(" s of audio could be decoded of the 10.0 s that it states")


@pytest.mark.parametrize("length", [0, 0x7FFF_F000, 0x8000_0000, 0xFFFF_FFFF])
def test_a_streamed_wav_is_whole(length: int) -> None:
    waveform = decode(with_data_length(file_of("wav-s16"), length))

    assert waveform.duration_s == DURATION_S
    assert waveform.warnings == ()


def test_a_streamed_wav_is_refused_for_its_seconds_and_not_for_its_placeholder() -> None:
    data = with_data_length(file_of("wav-s16"), 0x7FFF_F000)

    assert PyAvDecoder(DecodeLimits(max_duration_s=DURATION_S)).decode(data).duration_s == DURATION_S


@pytest.mark.parametrize("length", [4096, 30_000])
def test_a_wav_whose_recorder_crashed_is_read_to_its_end(length: int) -> None:
    """Its length field is from the beginning of the recording."""
    waveform = decode(with_data_length(file_of("wav-s16"), length))

    assert waveform.duration_s == DURATION_S
    assert waveform.warnings == ()


@pytest.mark.parametrize("trailer", [b"LIST\x04\0\0\0INFO", b"TAG" + bytes(125), bytes(4096), bytes(range(256)) * 40])
def test_what_follows_the_sound_of_a_wav_is_not_sound(trailer: bytes) -> None:
    waveform = decode(file_of("wav-s16") + trailer)

    assert waveform.duration_s == DURATION_S
    assert waveform.warnings == ()


def test_an_rf64_that_was_streamed_is_whole() -> None:
    data = file_of("rf64")
    at = data.index(b"ds64") + 8

    waveform = decode(data[:at] + bytes(24) + data[at + 24 :])

    assert waveform.duration_s == DURATION_S
    assert waveform.warnings == ()


def test_of_a_wav_with_two_data_chunks_something_is_missing() -> None:
    data = file_of("wav-s16")
    second = struct.pack("<4sI", b"data", SAMPLE_RATE_HZ) + bytes(SAMPLE_RATE_HZ)

    assert [warning.code for warning in decode(data + second).warnings] == [WarningCode.AUDIO_TRUNCATED]


def test_a_streamed_au_is_whole() -> None:
    data = file_of("au-mulaw-8k")

    waveform = decode(data[:8] + b"\xff\xff\xff\xff" + data[12:])

    assert waveform.duration_s == DURATION_S
    assert waveform.warnings == ()


def test_a_streamed_caf_is_whole() -> None:
    data = file_of("caf-s16")
    at = data.index(b"data") + 4

    waveform = decode(data[:at] + struct.pack(">q", -1) + data[at + 8 :])

    assert waveform.duration_s == pytest.approx(DURATION_S, abs=0.01)
    assert waveform.warnings == ()


def test_an_mp3_whose_bit_rate_misleads_is_whole() -> None:
    # Loud noise behind silence at a variable bit rate, and no tag: the first frames promise a longer recording.
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 6 * SAMPLE_RATE_HZ)
    data = encode(np.concatenate([np.zeros(4 * SAMPLE_RATE_HZ), noise]), FORMATS["mp3-vbr-without-length-tag"])
    cover = b"ID3\x04\0\0" + bytes([0, 20, 0, 0]) + bytes(20 << 14)

    for file in (data, cover + data):
        waveform = decode(file)
        assert waveform.duration_s == pytest.approx(10.0, abs=0.2)
        assert waveform.warnings == ()


def test_overwritten_flac_frames_are_silence_and_later_words_keep_their_times() -> None:
    signal = hiss(DURATION_S)
    data = bytearray(encode(signal, FORMATS["flac"]))
    middle = len(data) // 2
    data[middle : middle + 8000] = bytes(8000)

    waveform = decode(bytes(data))

    assert len(waveform.samples) == len(signal)
    np.testing.assert_allclose(waveform.samples[-4 * SAMPLE_RATE_HZ :], signal[-4 * SAMPLE_RATE_HZ :], atol=1e-4)
    assert [warning.code for warning in waveform.warnings] == [WarningCode.AUDIO_TRUNCATED]


def test_a_pause_that_opus_did_not_send_is_silence_and_no_damage() -> None:
    data = without_packets(file_of("webm-opus-streamed"), from_s=4.0, to_s=6.0)

    waveform = decode(data)

    assert waveform.duration_s == pytest.approx(DURATION_S, abs=0.05)
    pause = waveform.samples[round(4.2 * SAMPLE_RATE_HZ) : round(5.8 * SAMPLE_RATE_HZ)]
    np.testing.assert_allclose(pause, 0.0, atol=1e-4)
    assert waveform.warnings == ()


@pytest.mark.parametrize("name", ["m4a-aac-44k", "mp4-aac-with-pictures"])
def test_an_mp4_without_its_index_is_unsupported(name: str) -> None:
    data = file_of(name)

    with pytest.raises(UnsupportedAudio):
        decode(data[: len(data) // 2])


def test_no_bytes_are_unsupported() -> None:
    with pytest.raises(UnsupportedAudio, match="the file is empty"):
        decode(b"")


def test_a_wav_without_samples_is_unsupported() -> None:
    with pytest.raises(UnsupportedAudio, match="no audio samples"):
        decode(encode_wav(np.zeros(0)))


def test_an_impossible_sample_rate_is_unsupported() -> None:
    data = bytearray(encode_wav(sine(440.0, 1.0)))
    data[24:28] = struct.pack("<I", 1_092_676)

    with pytest.raises(UnsupportedAudio, match="1092676 Hz"):
        decode(bytes(data))


def test_headerless_samples_are_unsupported() -> None:
    with pytest.raises(UnsupportedAudio):
        decode((sine(440.0, 2.0) * 30_000).astype("<i2").tobytes())


def test_a_video_without_sound_is_unsupported() -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=10, width=64, height=64, pix_fmt="yuv420p")
        for _ in range(10):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))))
        container.mux(stream.encode(None))

    with pytest.raises(UnsupportedAudio, match="no audio track"):
        decode(file.getvalue())
