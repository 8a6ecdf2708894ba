"""Opus packets (RFC 6716) through libopus, as FFmpeg wraps it."""

from __future__ import annotations

from collections.abc import Iterator

import av
import numpy as np
from av.error import FFmpegError

from deployments.contracts import Samples
from deployments.errors import UnsupportedAudio

OPUS_RATE_HZ = 48_000
"""What libopus decodes to, and the clock of Ogg-Opus, whatever was encoded."""

MAX_PACKET_BYTES = 61_440
"""The most that 120 ms of a stream may take; a reader may refuse what is longer (RFC 7845, §6)."""


class OpusPacketDecoder:
    """Decodes packets of one stream to mono at 48 kHz; libopus mixes stereo down itself, as the RFC provides.

    ``decoded`` counts the samples.
    """

    def __init__(self) -> None:
        self.decoded = 0
        context = av.CodecContext.create("libopus", "r")
        context.layout = "mono"
        context.sample_rate = OPUS_RATE_HZ
        self._context = context

    def decode(self, packet: bytes) -> Samples:
        """Samples of one packet, at most 0.12 s, within -1..1.

        Raises:
            UnsupportedAudio: it is not an Opus packet.
        """
        if not 0 < len(packet) <= MAX_PACKET_BYTES:
            raise UnsupportedAudio(f"an Opus packet of {len(packet)} bytes")
        try:
            frames = self._context.decode(av.Packet(packet))
        except FFmpegError as error:
            raise UnsupportedAudio("bytes that are no Opus packet") from error
        pieces = [np.frombuffer(memoryview(frame.planes[0]), np.int16, frame.samples) for frame in frames]
        self.decoded += sum(map(len, pieces))
        joined = np.concatenate(pieces) if pieces else np.empty(0, np.int16)
        return np.divide(joined, np.float32(1 << 15), dtype=np.float32)


class OpusReader:
    """One bare packet in each message; an empty message holds none."""

    rate_hz = OPUS_RATE_HZ

    def __init__(self) -> None:
        self._packets = OpusPacketDecoder()

    @property
    def decoded(self) -> int:
        """Samples decoded so far."""
        return self._packets.decoded

    def read(self, data: bytes) -> Iterator[Samples]:
        """The samples of the packet."""
        if data:
            yield self._packets.decode(data)
