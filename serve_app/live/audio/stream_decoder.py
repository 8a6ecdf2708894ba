"""One decoder for everything that a client may send: bytes in, mono float32 at 16 kHz out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import soxr

from deployments.contracts import SAMPLE_RATE_HZ, Samples
from deployments.errors import ClientTooFast, InvalidParameter
from serve_app.live.audio.ogg_opus import OggOpusReader
from serve_app.live.audio.opus import OpusReader
from serve_app.live.audio.pcm import PcmReader
from serve_app.live.contracts import AudioFormat, Encoding

LOWEST_RATE_HZ = 8_000
HIGHEST_RATE_HZ = 48_000


class _Reader(Protocol):
    """Knows one encoding; ``rate_hz`` is the rate of what it gives."""

    rate_hz: int

    @property
    def decoded(self) -> int:
        """Samples decoded so far, also those that were cut off: what the work was."""
        ...

    def read(self, data: bytes) -> Iterator[Samples]:
        """Blocks of mono samples, decoded as they are asked for; empty ones where all of it was cut off.

        Raises:
            UnsupportedAudio: the bytes are not what they should be.
        """
        ...


class StreamDecoder:
    """Decodes one stream. Holds its state; not for several threads at once.

    A message may end anywhere, also inside a sample or a page; only a bare Opus packet is a message of its own. The
    samples are the same however the stream is cut, and as many as the stream is long, give or take one where the rate
    changes.

    Args:
        audio: what the client sends.
        max_message_s: the most audio that one message may hold. Two bytes of Opus can be 0.12 s of audio, so that a
            limit on bytes is none on work.

    Raises:
        InvalidParameter: a rate outside 8 to 48 kHz.
    """

    def __init__(self, audio: AudioFormat, max_message_s: float = 60.0) -> None:
        self._reader = _reader(audio)
        self._max_message_s = max_message_s
        self._soxr = _resampler(self._reader.rate_hz)

    def decode(self, data: bytes) -> Samples:
        """Take the next message.

        Returns:
            What can be told so far, float32, shape [n], 16 kHz; maybe empty.

        Raises:
            UnsupportedAudio: the bytes are not what they should be; the stream cannot be continued.
            ClientTooFast: more than max_message_s in one message; it is noticed before the rest is decoded.
        """
        blocks = []
        most = self._reader.decoded + int(self._max_message_s * self._reader.rate_hz)
        for block in self._reader.read(data):
            if self._reader.decoded > most:
                raise ClientTooFast(self._max_message_s)
            blocks.append(block)
        return self._resampled(np.concatenate(blocks), is_last=False) if blocks else np.empty(0, np.float32)

    def flush(self) -> Samples:
        """The end of the stream: what the resampler still holds. Part of a sample or of a page is dropped."""
        return self._resampled(np.empty(0, np.float32), is_last=True)

    def _resampled(self, samples: Samples, *, is_last: bool) -> Samples:
        if self._soxr is None:
            return samples
        return np.asarray(self._soxr.resample_chunk(samples, last=is_last), np.float32)


def _resampler(rate_hz: int) -> soxr.ResampleStream | None:
    """One that holds back little: what it holds, a final waits for.

    From 8 kHz soxr holds 115 ms, and 30 ms where the rate could vary; the latter is 1 dB down at 3.7 kHz, which no
    telephone carries. From 48 kHz it is 37 and 13 ms, but at four times the CPU time (0.2 % of a core): not worth it.
    """
    if rate_hz == SAMPLE_RATE_HZ:
        return None
    return soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32", quality="HQ", vr=rate_hz < SAMPLE_RATE_HZ)


def _reader(audio: AudioFormat) -> _Reader:
    if audio.encoding is Encoding.OPUS:
        return OpusReader()
    if audio.encoding is Encoding.OGG_OPUS:
        return OggOpusReader()
    if not LOWEST_RATE_HZ <= audio.sample_rate_hz <= HIGHEST_RATE_HZ:
        raise InvalidParameter("sample_rate", f"must be between {LOWEST_RATE_HZ} and {HIGHEST_RATE_HZ} Hz")
    return PcmReader(audio.encoding, audio.sample_rate_hz)
