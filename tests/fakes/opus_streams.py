"""Opus as clients send it: bare packets, and Ogg streams made by FFmpeg or by hand."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence

import av
import numpy as np

from deployments.contracts import Samples
from serve_app.live.audio.ogg import page_checksum
from serve_app.live.audio.opus import OPUS_RATE_HZ


def _frame(mono: Samples, layout: str) -> av.AudioFrame:
    channels = 2 if layout == "stereo" else 1
    pcm = np.repeat(np.round(mono * 32767).astype(np.int16), channels)[None]
    frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout=layout)
    frame.sample_rate = OPUS_RATE_HZ
    return frame


def opus_packets(mono: Samples) -> list[bytes]:
    """Packets of 20 ms; mono audio at 48 kHz, shape [n]. Opus comes 6.5 ms late, and the last part of 20 ms is lost."""
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format, encoder.bit_rate = OPUS_RATE_HZ, "mono", "s16", 32_000
    packets = []
    for start in range(0, len(mono) - 959, 960):
        packets += [bytes(packet) for packet in encoder.encode(_frame(mono[start : start + 960], "mono"))]
    return packets


def ogg_opus(mono: Samples, layout: str = "mono") -> bytes:
    """An Ogg-Opus file of FFmpeg's; mono audio at 48 kHz, shape [n]."""
    file = io.BytesIO()
    with av.open(file, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=OPUS_RATE_HZ, layout=layout, bit_rate=32_000)
        container.mux(stream.encode(_frame(mono, layout)))
        container.mux(stream.encode(None))
    return file.getvalue()


def ogg_page(
    lacing: Sequence[int], payload: bytes, *, flags: int = 0, granule: int = 0, serial: int = 7, sequence: int = 0
) -> bytes:
    """One page with a right checksum, whatever it holds."""
    header = struct.pack("<4sBBqIIIB", b"OggS", 0, flags, granule, serial, sequence, 0, len(lacing))
    return with_checksum(header + bytes(lacing) + payload)


def with_checksum(page: bytes) -> bytes:
    """The page as if its writer had meant it."""
    return page[:22] + struct.pack("<I", page_checksum(page)) + page[26:]


def packet_pages(packets: Sequence[bytes], *, granules: Sequence[int], ends: bool = True, serial: int = 7) -> bytes:
    """Pages of one packet each: header, comments, audio; the first is marked as such, the last if ``ends``."""
    pages = []
    for sequence, (packet, granule) in enumerate(zip(packets, granules, strict=True)):
        lacing = [255] * (len(packet) // 255) + [len(packet) % 255]
        flags = (2 if sequence == 0 else 0) | (4 if ends and sequence == len(packets) - 1 else 0)
        pages.append(ogg_page(lacing, packet, flags=flags, granule=granule, serial=serial, sequence=sequence))
    return b"".join(pages)


def opus_head(*, channels: int = 1, pre_skip: int = 312, gain_256th_db: int = 0, version: int = 1) -> bytes:
    """The first packet of an Ogg-Opus stream."""
    return struct.pack("<8sBBHIhB", b"OpusHead", version, channels, pre_skip, OPUS_RATE_HZ, gain_256th_db, 0)


OPUS_TAGS = b"OpusTags" + struct.pack("<I", 4) + b"test" + struct.pack("<I", 0)
"""The second."""
