"""Ogg pages out of bytes that are cut anywhere, and packets out of pages (RFC 3533)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from deployments.errors import UnsupportedAudio

_HEADER = struct.Struct("<4sBBqIIIB")
"""Capture pattern, version, flags, granule position, serial number, sequence number, checksum, segments (§6)."""

_CHECKSUM = slice(22, 26)
_CONTINUED, _FIRST, _LAST = 1, 2, 4

_REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(frozen=True, slots=True)
class Page:
    """One page. ``lacing`` are the lengths of its segments; one below 255 ends a packet."""

    continues: bool
    is_first: bool
    is_last: bool
    granule: int
    serial: int
    sequence: int
    lacing: bytes
    payload: bytes


class PageReader:
    """Finds pages. A live stream comes over a reliable connection: what is no page is an error, not a gap."""

    def __init__(self) -> None:
        self._waiting = b""

    def read(self, data: bytes) -> Iterator[Page]:
        """The pages that are complete now.

        Raises:
            UnsupportedAudio: what follows is no page, or a damaged one.
        """
        self._waiting += data
        start = 0
        try:
            while (length := _page_length(self._waiting, start)) is not None:
                page = self._waiting[start : start + length]
                start += length
                yield _parsed(page)
        finally:
            self._waiting = self._waiting[start:]


def _page_length(data: bytes, start: int) -> int | None:
    """Bytes of the page that begins at start; None while it is not complete."""
    pattern = data[start : start + 4]
    if not b"OggS".startswith(pattern):
        raise UnsupportedAudio("bytes that are no Ogg page")
    header_end = start + _HEADER.size
    if len(data) < header_end:
        return None
    lacing_end = header_end + data[header_end - 1]
    end = lacing_end + sum(data[header_end:lacing_end])
    return end - start if len(data) >= end and len(data) >= lacing_end else None


def _parsed(page: bytes) -> Page:
    _, version, flags, granule, serial, sequence, checksum, segments = _HEADER.unpack_from(page)
    if version != 0 or checksum != page_checksum(page):
        raise UnsupportedAudio("a damaged Ogg page")
    body = _HEADER.size + segments
    return Page(
        continues=bool(flags & _CONTINUED),
        is_first=bool(flags & _FIRST),
        is_last=bool(flags & _LAST),
        granule=granule,
        serial=serial,
        sequence=sequence,
        lacing=page[_HEADER.size : body],
        payload=page[body:],
    )


def page_checksum(page: bytes) -> int:
    """CRC of a page whose checksum field counts as zero: polynomial 0x04c11db7, no inversion (RFC 3533, §6, field 7).

    zlib's CRC has the same polynomial, but takes the lowest bit of each byte first and inverts before and after.
    """
    blank = page[: _CHECKSUM.start] + bytes(4) + page[_CHECKSUM.stop :]
    mirrored = zlib.crc32(blank.translate(_REVERSED_BITS), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(mirrored.to_bytes(4, "little").translate(_REVERSED_BITS), "big")


class PacketAssembler:
    """Joins the segments of one logical stream to packets, also across pages."""

    def __init__(self, max_packet_bytes: int) -> None:
        self._max_packet_bytes = max_packet_bytes
        self._open = bytearray()
        self._is_open = False
        self._next_sequence: int | None = None

    def packets(self, page: Page) -> list[bytes]:
        """The packets that end on this page. Where pages are missing, the packet that was cut is dropped.

        Raises:
            UnsupportedAudio: a packet is longer than it may be.
        """
        in_order = self._next_sequence in (None, page.sequence)
        self._next_sequence = (page.sequence + 1) & 0xFFFFFFFF
        # A page that goes on with a packet whose beginning is not there, or that drops one whose end is not.
        skipping = page.continues and not (self._is_open and in_order)
        if not (page.continues and in_order):
            self._open.clear()
        ended = []
        position = 0
        for length in page.lacing:
            if not skipping:
                self._open += page.payload[position : position + length]
                if len(self._open) > self._max_packet_bytes:
                    raise UnsupportedAudio(f"an Ogg packet of more than {self._max_packet_bytes} bytes")
            position += length
            if length < 255:
                if not skipping:
                    ended.append(bytes(self._open))
                skipping = False
                self._open.clear()
        self._is_open = bool(page.lacing) and page.lacing[-1] == 255 and not skipping
        return ended
