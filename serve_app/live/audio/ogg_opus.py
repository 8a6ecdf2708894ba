"""Ogg-Opus as it comes (RFC 7845): headers, pre-skip, output gain and the cut at the end."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from deployments.contracts import Samples
from deployments.errors import UnsupportedAudio
from serve_app.live.audio.ogg import PacketAssembler, Page, PageReader
from serve_app.live.audio.opus import OPUS_RATE_HZ, OpusPacketDecoder

_HEAD = struct.Struct("<8sBBHIhB")
"""OpusHead, version, channels, pre-skip, rate of the original, output gain in 1/256 dB, mapping family (§5.1)."""

_MAX_PACKET_BYTES = 1 << 20
"""For the comments, which may hold a cover; audio packets have their own, lower limit."""


class OggOpusReader:
    """Reads one logical stream after another (§4 calls them chained); other streams between its pages are left out."""

    rate_hz = OPUS_RATE_HZ

    def __init__(self) -> None:
        self._pages = PageReader()
        self._stream: _OpusStream | None = None
        self._is_opening = False
        self._decoded_before = 0

    @property
    def decoded(self) -> int:
        """Samples decoded so far, of all streams."""
        return self._decoded_before + (self._stream.decoded if self._stream else 0)

    def read(self, data: bytes) -> Iterator[Samples]:
        """The samples of the pages that are complete now, page by page.

        Raises:
            UnsupportedAudio: no Ogg, no Opus in it, or more than two channels.
        """
        for page in self._pages.read(data):
            # The first pages of streams that run beside each other come one behind the other (RFC 3533, §4): one behind
            # any other page begins what follows, also where the last page of what was before is missing.
            if self._stream is None or (page.is_first and (self._stream.has_ended or not self._is_opening)):
                if not page.is_first:
                    raise UnsupportedAudio("an Ogg stream without its beginning")
                self._decoded_before = self.decoded
                self._stream = _OpusStream(page.serial)
            self._is_opening = page.is_first
            if page.serial == self._stream.serial and not self._stream.has_ended:
                yield from self._stream.read(page)


class _OpusStream:
    """One logical stream, from its header to its last page."""

    def __init__(self, serial: int) -> None:
        self.serial = serial
        self.has_ended = False
        self._assembler = PacketAssembler(_MAX_PACKET_BYTES)
        self._decoder = OpusPacketDecoder()
        self._headers = 0
        self._gain = np.float32(1.0)
        self._to_skip = 0
        self._first_granule: int | None = None

    @property
    def decoded(self) -> int:
        """Samples decoded so far."""
        return self._decoder.decoded

    def read(self, page: Page) -> Iterator[Samples]:
        """The samples of the packets that end on this page."""
        packets = self._assembler.packets(page)
        self.has_ended = page.is_last
        while packets and self._headers < 2:
            self._take_header(packets.pop(0))
        if not packets:
            return
        if page.is_last:
            joined = np.concatenate([self._decoder.decode(packet) for packet in packets])
            yield self._cut(joined[: max(len(joined) - self._excess(page), 0)])
            return
        for packet in packets:
            yield self._cut(self._decoder.decode(packet))
        if self._first_granule is None:
            # A stream that was joined while it ran does not begin at 0 (§4.3).
            self._first_granule = max(page.granule - self.decoded, 0)

    def _take_header(self, packet: bytes) -> None:
        if self._headers == 1:
            if not packet.startswith(b"OpusTags"):
                raise UnsupportedAudio("an Ogg stream without OpusTags")
        else:
            self._take_head(packet)
        self._headers += 1

    def _take_head(self, packet: bytes) -> None:
        if len(packet) < _HEAD.size or not packet.startswith(b"OpusHead"):
            raise UnsupportedAudio("an Ogg stream that is not Opus")
        _, version, channels, pre_skip, _, gain, family = _HEAD.unpack_from(packet)
        if version >> 4:
            raise UnsupportedAudio(f"Ogg-Opus of version {version}")
        if family not in (0, 1) or channels not in (1, 2):
            raise UnsupportedAudio("Opus of more than two channels")
        self._to_skip = pre_skip
        self._gain = np.float32(10 ** (gain / 256 / 20))

    def _excess(self, page: Page) -> int:
        """Samples behind the end that the last page states (§4.4)."""
        if page.granule < 0:
            return 0
        return max(self.decoded - (page.granule - (self._first_granule or 0)), 0)

    def _cut(self, samples: Samples) -> Samples:
        """Without what is to be skipped, with the stream's gain."""
        skipped = min(self._to_skip, len(samples))
        self._to_skip -= skipped
        return np.asarray(np.clip(samples[skipped:] * self._gain, -1.0, 1.0), np.float32)
