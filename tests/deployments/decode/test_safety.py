from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.decode.limits import DecodeLimits
from deployments.decode.pyav_engine import PyAvDecoder
from deployments.errors import AudioTooLong, UnsupportedAudio
from tests.examples import examples
from tests.fakes.audio_files import FORMATS, encode, sine

pytestmark = pytest.mark.unit

PLAYLIST = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\n{}\n#EXT-X-ENDLIST\n"
CONCAT_SCRIPT = "ffconcat version 1.0\nfile '{}'\n"

LIMITS = DecodeLimits(max_duration_s=30.0, max_wall_s=20.0)
SEEDS = {
    name: encode(sine(440.0, 0.5, FORMATS[name].rate_hz), FORMATS[name])
    for name in (
        *("wav-s16", "wav-f32", "wav-ima-adpcm", "w64", "aiff-22k", "caf-alac", "au-mulaw-8k", "flac", "amr"),
        *("mp3-44k-stereo", "ogg-opus", "ogg-vorbis-stereo", "webm-opus-stereo", "mkv-mp3-with-pictures"),
        *("m4a-aac-44k", "mp4-aac-with-pictures", "mp4-aac-fragmented", "aac-adts", "wma-44k", "mpegts-aac"),
        *("avi-mp3-with-pictures", "flv-aac", "wavpack", "mpeg-mp2"),
    )
}


@pytest.fixture
def private_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recording on the server's disk, in the working directory, that no upload may reach."""
    path = tmp_path / "private.ts"
    path.write_bytes(encode(sine(440.0, 2.0), FORMATS["mpegts-aac"]))
    monkeypatch.chdir(tmp_path)
    return path


def samples_that_ffmpeg_reads(file: str | io.BytesIO) -> int:
    with av.open(file, "r") as container:
        return sum(frame.samples for frame in container.decode(audio=0))


def test_a_playlist_cannot_open_other_files(private_file: Path) -> None:
    playlist = private_file.with_name("list.m3u8")
    playlist.write_text(PLAYLIST.format(private_file.name))
    assert samples_that_ffmpeg_reads(str(playlist)) > 0, "FFmpeg follows this playlist where it may"

    for entry in (private_file.name, private_file, private_file.as_uri()):
        with pytest.raises(UnsupportedAudio):
            PyAvDecoder(LIMITS).decode(PLAYLIST.format(entry).encode())


def test_a_concat_script_cannot_open_other_files(private_file: Path) -> None:
    script = CONCAT_SCRIPT.format(private_file.name).encode()
    assert samples_that_ffmpeg_reads(io.BytesIO(script)) > 0, "FFmpeg follows this script where it may"

    for entry in (private_file.name, private_file, private_file.as_uri()):
        with pytest.raises(UnsupportedAudio):
            PyAvDecoder(LIMITS).decode(CONCAT_SCRIPT.format(entry).encode())


@pytest.mark.parametrize(
    "text",
    [
        "v=0\nc=IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n",
        '<?xml version="1.0"?><MPD type="static"><Period><BaseURL>file:///etc/hostname</BaseURL></Period></MPD>',
        "1\n00:00:00,000 --> 00:00:02,000\nHello\n",
        ";FFMETADATA1\ntitle=x\n",
        "<html><body>502 Bad Gateway</body></html>",
        "just text " * 200,
    ],
    ids=["sdp", "dash", "subtitles", "metadata", "html", "text"],
)
def test_text_formats_are_unsupported(text: str) -> None:
    with pytest.raises(UnsupportedAudio):
        PyAvDecoder(LIMITS).decode(text.encode())


def test_the_reason_is_fit_for_a_stranger(private_file: Path) -> None:
    with pytest.raises(UnsupportedAudio) as caught:
        PyAvDecoder(LIMITS).decode(CONCAT_SCRIPT.format(private_file).encode())

    assert str(caught.value) == (
        "Unsupported audio: the file is not in a known audio format, or its header is damaged or missing"
    )
    assert caught.value.__cause__ is None


def decodes_or_is_refused(data: bytes) -> None:
    """The one property of all bytes: a sane waveform, or an error that names the recording."""
    try:
        waveform = PyAvDecoder(LIMITS).decode(data)
    except (UnsupportedAudio, AudioTooLong):
        return
    assert waveform.samples.dtype == np.float32
    assert waveform.samples.flags.c_contiguous
    assert 0 < waveform.duration_s <= LIMITS.max_duration_s
    assert np.isfinite(waveform.samples).all()


@given(st.binary(max_size=4096))
@settings(max_examples=examples(200), deadline=None)
def test_random_bytes_are_unsupported_or_decoded(data: bytes) -> None:
    decodes_or_is_refused(data)


@given(st.sampled_from(sorted(SEEDS)), st.integers(4, 200), st.binary(max_size=4096))
@settings(max_examples=examples(200), deadline=None)
def test_random_bytes_behind_a_true_header_are_unsupported_or_decoded(name: str, kept: int, junk: bytes) -> None:
    decodes_or_is_refused(SEEDS[name][:kept] + junk)


@given(
    st.sampled_from(sorted(SEEDS)),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=8)), max_size=12),
    st.floats(0.05, 1.0),
)
@settings(max_examples=examples(400), deadline=None)
def test_an_overwritten_and_cut_file_is_unsupported_or_decoded(
    name: str, patches: list[tuple[float, bytes]], kept: float
) -> None:
    data = bytearray(SEEDS[name])
    for position, patch in patches:
        # Squared, so that headers are hit as often as sound.
        start = int(position**2 * len(data))
        data[start : start + len(patch)] = patch
    decodes_or_is_refused(bytes(data[: int(kept * len(data))]))
