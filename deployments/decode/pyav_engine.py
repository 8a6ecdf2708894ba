"""Decoding with the FFmpeg inside PyAV: any common container and codec, found by content, under hard limits.

FFmpeg was written to open whatever it is given, and files here come from strangers. So it gets memory instead
of a path, may open no protocol, may only use the demuxers and decoders named below (no playlist, concat
script, picture or subtitle is among them), and is stopped by count while it works: a 27 MB FLAC can hold 40
hours of silence.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import av
import numpy as np
import numpy.typing as npt
from av.audio.codeccontext import AudioCodecContext
from av.audio.format import AudioFormat
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Discard, Disposition

from deployments.contracts import TranscriptionWarning, WarningCode, Waveform
from deployments.decode.byte_reader import ByteReader
from deployments.decode.limits import DecodeLimits, DecodeWatch
from deployments.decode.mono_resampler import FrameShape, MonoResampler
from deployments.decode.sample_values import to_full_scale
from deployments.decode.stated_length import ends_inside_a_unit, is_open_ended, stated_duration_s
from deployments.decode.track_clock import TrackClock
from deployments.decode.waveform_buffer import WaveformBuffer
from deployments.errors import AudioTooLarge, AudioTooLong, UnsupportedAudio
from deployments.stopping import ShouldStop, never

AudioBytes = bytes | bytearray | memoryview | npt.NDArray[np.uint8]
"""One whole file in contiguous memory; read-only is fine."""

DEMUXERS = "aac,ac3,aiff,amr,asf,au,avi,caf,eac3,flac,flv,matroska,mov,mp3,mpeg,mpegts,nistsphere,ogg,w64,wav,wv"

# The pictures of a video file are never decoded, not even to find out their size.
DECODERS = frozenset(
    {
        *("aac", "aac_latm", "ac3", "alac", "amrnb", "amrwb", "eac3", "flac", "gsm", "gsm_ms", "mp1", "mp1float"),
        *("mp2", "mp2float", "mp3", "mp3float", "nellymoser", "opus", "speex", "truespeech", "vorbis", "wavpack"),
        *("wmalossless", "wmapro", "wmav1", "wmav2", "wmavoice", "g722", "g723_1", "g726", "g729"),
        *(name for name in av.codecs_available if name.startswith(("pcm_", "adpcm_"))),
    }
)

MIN_RATE_HZ = 4_000
MAX_RATE_HZ = 768_000
MAX_CHANNELS = 64
MAX_PLANES = 8
"""AudioFrame.planes looks for a null pointer behind the last plane, and behind more than 8 is foreign memory."""

_CONTAINER_OPTIONS = {
    "format_whitelist": DEMUXERS,
    "codec_whitelist": ",".join(sorted(DECODERS)),
    "protocol_whitelist": "",
    "max_streams": "64",
}
_READ_BYTES = 1 << 17

_DURATION_TOLERANCE_S = 0.25
"""Encoder delay and padding: WMA 0.045 s, AAC 0.048 s, ALAC in CAF 0.056 s were seen on whole files."""

_CONTAINERS_WITH_TIMES = frozenset({"asf", "flac", "flv", "matroska", "mov", "mpeg", "mpegts", "ogg", "wv"})
"""Of all others FFmpeg makes up the times, from bit rates or by counting bytes; their frames follow on each other."""

_JOINED_CONTAINERS = frozenset({"mpeg", "mpegts", "ogg"})
"""Their files may be put end to end, and each part may have a clock of its own."""

_LONGEST_GAP_OF_JOINED_S = 10.0

_CODECS_WITH_PAUSES = frozenset({"opus"})
"""They send nothing while nobody speaks (DTX), so that a gap is no damage."""

_CODECS_OF_FLOATS = ("pcm_f", "wavpack")
"""They keep floats of any size as they were written; all others have a full scale, and what passes it far is damage."""

_DAMAGED = "the file is damaged or cut short, and no audio could be decoded"


class PyAvDecoder:
    """Turns one file into one waveform; holds no state between calls and may be shared by threads."""

    def __init__(self, limits: DecodeLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock

    def decode(self, data: AudioBytes, should_stop: ShouldStop = never) -> Waveform:
        """Decode the (best) audio track of a file to mono.

        A file that is damaged or cut short gives what could be decoded, with a warning AUDIO_TRUNCATED.

        Args:
            data: the whole file, read in place.
            should_stop: asked before each read and after each packet.

        Raises:
            AudioTooLarge: more bytes than allowed.
            AudioTooLong: the file states, or turns out to hold, more seconds than allowed.
            UnsupportedAudio: no audio that can be decoded.
            Cancelled: should_stop() became true.
            DeadlineExceeded: decoding took longer than allowed.
        """
        view = np.frombuffer(data, np.uint8).data
        if len(view) > self._limits.max_bytes:
            raise AudioTooLarge(self._limits.max_bytes)
        if not view:
            raise UnsupportedAudio("the file is empty")
        watch = DecodeWatch(self._limits.max_wall_s, should_stop, self._clock)
        length_is_open = is_open_ended(view)
        with _open(ByteReader(view, watch.check), length_is_open=length_is_open) as container:
            stream = _audio_stream(container)
            stated_s = stated_duration_s(view, container, stream)
            if stated_s is not None and stated_s > self._limits.max_duration_s:
                raise AudioTooLong(self._limits.max_duration_s)
            buffer = WaveformBuffer(self._limits.max_duration_s, stated_s)
            clock = TrackClock(_starts_s(container, stream), self._longest_gap_s(container, stated_s))
            track = _Track(stream, buffer, clock, length_is_open=length_is_open)
            # Float files may hold NaN, and doubles that no float32 can hold; blocks are repaired when full.
            with np.errstate(over="ignore", invalid="ignore"):
                track.decode(container, watch)
        waveform = _waveform(buffer, stated_s, is_damaged=track.is_damaged or ends_inside_a_unit(view))
        if track.may_hold_integers:
            to_full_scale(waveform.samples)
        return waveform

    def _longest_gap_s(self, container: InputContainer, stated_s: float | None) -> float:
        if container.format.name in _JOINED_CONTAINERS:
            return _LONGEST_GAP_OF_JOINED_S
        # Nothing may have been sent for long, but not for longer than the recording is.
        return self._limits.max_duration_s if stated_s is None else stated_s


def _open(reader: ByteReader, *, length_is_open: bool) -> InputContainer:
    try:
        return av.open(
            reader,
            mode="r",
            options=_CONTAINER_OPTIONS | ({"ignore_length": "1"} if length_is_open else {}),
            metadata_errors="replace",
            buffer_size=_READ_BYTES,
        )
    except FFmpegError:
        raise UnsupportedAudio("the file is not in a known audio format, or its header is damaged or missing") from None


def _audio_stream(container: InputContainer) -> AudioStream:
    """Choose the track to decode, and have the demuxer drop all others."""
    if not container.streams.audio:
        raise UnsupportedAudio("the file has no audio track that can be decoded")
    usable = [stream for stream in container.streams.audio if _codec_name(stream) in DECODERS]
    if not usable:
        raise UnsupportedAudio("the audio track's codec is not supported")
    best = container.streams.best("audio")
    stream = next((stream for stream in usable if stream is best), usable[0])
    codec = stream.codec_context
    # Rate and channels are 0 where only the first frame will tell.
    if codec.sample_rate and not MIN_RATE_HZ <= codec.sample_rate <= MAX_RATE_HZ:
        raise UnsupportedAudio(
            f"a sample rate of {codec.sample_rate} Hz is not within {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz"
        )
    channels, max_channels = codec.layout.nb_channels, _max_channels(codec.format)
    if channels > max_channels:
        raise UnsupportedAudio(f"{channels} channels are more than the {max_channels} that this codec may have")
    codec.thread_count = 1  # replicas scale by processes
    for other in container.streams:
        if other.index != stream.index:
            other.discard = Discard.all
    return stream


def _codec_name(stream: AudioStream) -> str | None:
    """None where FFmpeg itself does not know the codec."""
    codec: AudioCodecContext | None = stream.codec_context
    return None if codec is None else codec.name


def _starts_s(container: InputContainer, stream: AudioStream) -> float | None:
    """When the pictures begin, where there are any and the sound begins after them; subtitles go by the pictures."""
    pictures = [other for other in container.streams.video if not other.disposition & Disposition.attached_pic]
    starts_s = [
        float(other.start_time * other.time_base)
        for other in (*pictures, stream)
        if other.start_time is not None and other.time_base is not None
    ]
    return min(starts_s) if pictures and starts_s else None


def _max_channels(sample_format: AudioFormat | None) -> int:
    return MAX_PLANES if sample_format is not None and sample_format.is_planar else MAX_CHANNELS


class _Track:
    """Pumps one audio track through the decoder and the resampler into a buffer."""

    def __init__(self, stream: AudioStream, buffer: WaveformBuffer, clock: TrackClock, *, length_is_open: bool) -> None:
        self.is_damaged = False
        self.may_hold_integers = stream.codec_context.name.startswith(_CODECS_OF_FLOATS)
        self._stream = stream
        self._buffer = buffer
        self._clock = clock
        has_times = not _CONTAINERS_WITH_TIMES.isdisjoint(stream.container.format.name.split(","))
        self._tick_s = float(stream.time_base or 0) if has_times else None
        self._length_is_open = length_is_open
        self._gaps_are_damage = stream.codec_context.name not in _CODECS_WITH_PAUSES
        self._shape: FrameShape | None = None
        self._resampler: MonoResampler | None = None

    def decode(self, container: InputContainer, watch: DecodeWatch) -> None:
        """Decode to the end, or to where the damage begins."""
        for packet in self._packets(container):
            watch.check()
            for frame in self._frames(packet):
                self._write(frame)
        if self._resampler is not None:
            self._resampler.finish()

    def _packets(self, container: InputContainer) -> Iterator[Packet[AudioStream]]:
        try:
            for packet in container.demux(self._stream):
                # A short read marks its packet. It is how every WAV ends whose length is left open.
                self.is_damaged |= packet.is_corrupt and not self._length_is_open
                yield packet
        except FFmpegError:
            self.is_damaged = True
        except IndexError:
            # PyAV's last flush trips over tracks that FLV and MPEG files open half-way; ours came before them.
            pass

    def _frames(self, packet: Packet[AudioStream]) -> list[AudioFrame]:
        try:
            return packet.decode()
        except FFmpegError:
            self.is_damaged = True
            return []

    def _write(self, frame: AudioFrame) -> None:
        if not frame.samples:
            return
        if not (
            MIN_RATE_HZ <= frame.sample_rate <= MAX_RATE_HZ
            and 0 < frame.layout.nb_channels <= _max_channels(frame.format)
        ):
            self.is_damaged = True
            return
        is_first = self._resampler is None
        shape = FrameShape.of(frame)
        if self._resampler is None or shape != self._shape:
            if self._resampler is not None:
                self._resampler.finish()
                self._clock.start_over()  # a joined recording
            self._shape, self._resampler = shape, MonoResampler(frame, self._buffer.append)
        silence_s = self._silence_before_s(frame)
        if silence_s:
            self._resampler.write_silence(round(silence_s * frame.sample_rate))
            self.is_damaged |= self._gaps_are_damage and not is_first
        self._resampler.write(frame)

    def _silence_before_s(self, frame: AudioFrame) -> float:
        starts_s = None if frame.pts is None or self._tick_s is None else frame.pts * self._tick_s
        return self._clock.silence_before_s(starts_s, frame.samples / frame.sample_rate)


def _waveform(buffer: WaveformBuffer, stated_s: float | None, *, is_damaged: bool) -> Waveform:
    found_s = buffer.duration_s
    if not found_s:
        raise UnsupportedAudio(_DAMAGED if is_damaged or stated_s else "the file holds no audio samples")
    is_short = stated_s is not None and found_s < stated_s - _DURATION_TOLERANCE_S
    if not (is_damaged or is_short):
        return Waveform(buffer.finish())
    message = f"The file is damaged or cut short: {found_s:.1f} s of audio could be decoded"
    if is_short:
        message += f" of the {stated_s:.1f} s that it states"
    return Waveform(buffer.finish(), (TranscriptionWarning(WarningCode.AUDIO_TRUNCATED, message),))
