"""Audio files made in memory: a float array in, the bytes of a container out. Nothing touches the disk."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream

FloatArray = npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """What FFmpeg calls a container (muxer) and a codec (encoder), at a rate that the codec can do.

    ``sample_format`` picks one where the encoder has several; ``codec_options`` and ``container_options`` are
    FFmpeg's own.
    """

    container: str
    codec: str
    rate_hz: int = 16_000
    channels: int = 1
    sample_format: str | None = None
    codec_options: Mapping[str, str] = field(default_factory=dict)
    container_options: Mapping[str, str] = field(default_factory=dict)
    has_picture_track: bool = False


_EXPERIMENTAL = {"strict": "-2"}

FORMATS: Mapping[str, AudioFormat] = {
    "wav-u8-11k": AudioFormat("wav", "pcm_u8", 11_025),
    "wav-s16": AudioFormat("wav", "pcm_s16le"),
    "wav-s16-44k-stereo": AudioFormat("wav", "pcm_s16le", 44_100, 2),
    "wav-s24-48k-stereo": AudioFormat("wav", "pcm_s24le", 48_000, 2),
    "wav-s32": AudioFormat("wav", "pcm_s32le"),
    "wav-s64": AudioFormat("wav", "pcm_s64le"),
    "wav-f32": AudioFormat("wav", "pcm_f32le"),
    "wav-f32-5.1": AudioFormat("wav", "pcm_f32le", 48_000, 6),
    "wav-f64-96k": AudioFormat("wav", "pcm_f64le", 96_000),
    "wav-mulaw-8k": AudioFormat("wav", "pcm_mulaw", 8_000),
    "wav-alaw-8k": AudioFormat("wav", "pcm_alaw", 8_000),
    "wav-ima-adpcm": AudioFormat("wav", "adpcm_ima_wav"),
    "wav-ms-adpcm": AudioFormat("wav", "adpcm_ms"),
    "wav-mp3": AudioFormat("wav", "libmp3lame"),
    "rf64": AudioFormat("wav", "pcm_s16le", container_options={"rf64": "always"}),
    "w64": AudioFormat("w64", "pcm_s16le"),
    "aiff-22k": AudioFormat("aiff", "pcm_s16be", 22_050),
    "au-mulaw-8k": AudioFormat("au", "pcm_mulaw", 8_000),
    "caf-s16": AudioFormat("caf", "pcm_s16le"),
    "caf-alac": AudioFormat("caf", "alac"),
    "flac": AudioFormat("flac", "flac"),
    "flac-24bit-48k": AudioFormat("flac", "flac", 48_000, sample_format="s32"),
    "wavpack": AudioFormat("wv", "wavpack"),
    "mp3-44k-stereo": AudioFormat("mp3", "libmp3lame", 44_100, 2),
    "mp3-8k": AudioFormat("mp3", "libmp3lame", 8_000),
    "mp3-without-length-tag": AudioFormat(
        "mp3", "libmp3lame", container_options={"write_xing": "0", "id3v2_version": "0"}
    ),
    "mp3-vbr-without-length-tag": AudioFormat(
        "mp3",
        "libmp3lame",
        codec_options={"global_quality": "590", "flags": "+qscale"},
        container_options={"write_xing": "0", "id3v2_version": "0"},
    ),
    "mp2-48k": AudioFormat("mp2", "mp2", 48_000),
    "ogg-opus": AudioFormat("ogg", "libopus", 48_000),
    "ogg-vorbis-stereo": AudioFormat("ogg", "vorbis", 44_100, 2, codec_options=_EXPERIMENTAL),
    "ogg-flac": AudioFormat("ogg", "flac"),
    "webm-opus-stereo": AudioFormat("webm", "libopus", 48_000, 2),
    "webm-opus-streamed": AudioFormat("webm", "libopus", 48_000, container_options={"live": "1"}),
    "mka-flac": AudioFormat("matroska", "flac"),
    "mkv-mp3-with-pictures": AudioFormat("matroska", "libmp3lame", 44_100, has_picture_track=True),
    "m4a-aac-44k": AudioFormat("ipod", "aac", 44_100),
    "m4a-alac": AudioFormat("ipod", "alac"),
    "mp4-aac-with-pictures": AudioFormat("mp4", "aac", 48_000, 2, has_picture_track=True),
    "mp4-aac-fragmented": AudioFormat(
        "mp4", "aac", 44_100, container_options={"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    ),
    "3gp-amr": AudioFormat("3gp", "libopencore_amrnb", 8_000),
    "amr": AudioFormat("amr", "libopencore_amrnb", 8_000),
    "aac-adts": AudioFormat("adts", "aac"),
    "ac3-48k": AudioFormat("ac3", "ac3", 48_000),
    "eac3-48k": AudioFormat("eac3", "eac3", 48_000),
    "wma-44k": AudioFormat("asf", "wmav2", 44_100, codec_options={"b": "64000"}),
    "mpegts-aac": AudioFormat("mpegts", "aac"),
    "mpeg-mp2": AudioFormat("mpeg", "mp2", 44_100),
    "avi-mp3-with-pictures": AudioFormat("avi", "libmp3lame", 44_100, has_picture_track=True),
    "flv-aac": AudioFormat("flv", "aac", 44_100),
}
"""Every container that the Decode stage promises, with the codecs it is met with."""

_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1", 16: "hexadecagonal"}
_PICTURES_HZ = 10
_PICTURE_PIXELS = 64


def sine(frequency_hz: float, duration_s: float, rate_hz: int = 16_000, amplitude: float = 0.25) -> FloatArray:
    """Return one tone, shape [n]."""
    times_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    return amplitude * np.sin(2 * np.pi * frequency_hz * times_s)


def hiss(duration_s: float, rate_hz: int = 16_000, amplitude: float = 0.5) -> FloatArray:
    """Return noise without the low end, which the decoder would take for a moving offset, shape [n]."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, round(duration_s * rate_hz) + 1)
    return amplitude * np.diff(noise)


def encode(samples: FloatArray, audio_format: AudioFormat) -> bytes:
    """Encode samples of audio_format.rate_hz, shape [n] (the same in every channel) or [channels, n]."""
    channels = np.broadcast_to(np.atleast_2d(samples), (audio_format.channels, np.shape(samples)[-1]))
    file = io.BytesIO()
    with av.open(file, "w", format=audio_format.container, options=dict(audio_format.container_options)) as container:
        stream = container.add_stream(
            audio_format.codec,
            rate=audio_format.rate_hz,
            layout=_LAYOUTS[audio_format.channels],
            options=dict(audio_format.codec_options),
        )
        assert isinstance(stream, AudioStream)
        if audio_format.sample_format is not None:
            stream.codec_context.format = audio_format.sample_format
        if audio_format.has_picture_track:
            _add_pictures(container, channels.shape[1] / audio_format.rate_hz)
        container.start_encoding()  # writes the header even where no samples follow
        _add_audio(container, stream, channels, audio_format)
    return file.getvalue()


def encode_wav(samples: FloatArray, rate_hz: int = 16_000, codec: str = "pcm_s16le") -> bytes:
    """Encode samples, shape [n] or [channels, n], as the WAV that most tests want."""
    return encode(samples, AudioFormat("wav", codec, rate_hz, np.atleast_2d(samples).shape[0]))


def _add_audio(
    container: OutputContainer, stream: AudioStream, channels: FloatArray, audio_format: AudioFormat
) -> None:
    layout = _LAYOUTS[audio_format.channels]
    for start in range(0, channels.shape[1], 1 << 16):
        # Doubles, because float32 has too few bits for the wide formats.
        interleaved = channels[:, start : start + (1 << 16)].T.astype(np.float64).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(interleaved, format="dbl", layout=layout)
        frame.sample_rate = audio_format.rate_hz
        frame.time_base = Fraction(1, audio_format.rate_hz)
        frame.pts = start
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _add_pictures(container: OutputContainer, duration_s: float) -> None:
    stream = container.add_stream(
        "mpeg4", rate=_PICTURES_HZ, width=_PICTURE_PIXELS, height=_PICTURE_PIXELS, pix_fmt="yuv420p"
    )
    assert isinstance(stream, VideoStream)
    grey = np.full((_PICTURE_PIXELS, _PICTURE_PIXELS, 3), 128, np.uint8)
    for _ in range(round(duration_s * _PICTURES_HZ)):
        container.mux(stream.encode(av.VideoFrame.from_ndarray(grey)))
    container.mux(stream.encode(None))
