"""What a file says about its own length, and whether that can be believed.

FFmpeg answers with a number for every file. For many it is a guess from the bit rate, and for a cut WAV it is
what is left, so the few header fields that tell a statement from a guess are read here.
"""

from __future__ import annotations

import struct
from fractions import Fraction

import av
from av.audio.stream import AudioStream
from av.container import InputContainer

_GUESSED_FROM_BIT_RATE = frozenset({"aac", "ac3", "amr", "eac3"})
"""Bare streams of frames without a header for the whole."""

_GUESSED_FROM_CLOCK = frozenset({"mpeg", "mpegts"})
"""The last time less the first; files of several clocks are common."""

_STATED_BY_THE_END = frozenset({"matroska,webm", "ogg"})
"""They state the time at which the sound ends, and a recording of a running stream does not begin at 0."""

_LARGEST_STATED_BYTES = 0x7FFF_F000
"""WAV writers that cannot seek back leave 0xFFFFFFFF (FFmpeg), 0x80000000 (arecord) or 0x7FFFF000 (SoX)."""

_LARGEST_TRAILER_BYTES = 1 << 15
"""Other things than chunks stand behind the sound too: a tag, padding, what was left of a longer file."""

_GUESS_TOLERANCE = 0.01
_OGG_PAGE_HEADER_BYTES = 27
_OGG_LARGEST_PAGE_BYTES = 27 + 255 + 255 * 255


def stated_duration_s(data: memoryview, container: InputContainer, stream: AudioStream) -> float | None:
    """Return the seconds of audio that the file itself states, or None where it states none."""
    name = container.format.name
    if name in _GUESSED_FROM_BIT_RATE | _GUESSED_FROM_CLOCK or is_open_ended(data):
        return None
    if stream.duration is not None and stream.time_base is not None:
        tick_s, ticks, first_tick = Fraction(stream.time_base), stream.duration, stream.start_time
    elif container.duration is not None and len(container.streams) == 1:
        # Matroska states the length of the whole; a picture track may run on after the sound has ended.
        tick_s, ticks, first_tick = Fraction(1, av.time_base), container.duration, container.start_time
    else:
        return None
    if name in _STATED_BY_THE_END:
        ticks -= max(first_tick or 0, 0)
    duration_s = float(ticks * tick_s)
    if name == "mp3" and _is_mp3_guess(duration_s, data, stream):
        return None
    return duration_s if duration_s > 0 else None


def is_open_ended(data: memoryview) -> bool:
    """Tell whether the sound of a WAV, AU or CAF goes on to the end, whatever its length field says.

    A streaming writer leaves a placeholder there, and a recorder that crashed an earlier length.
    """
    head = bytes(data[:12])
    if head[:4] == b"RIFF":
        stated = next((length for name, _, length in _wav_chunks(data) if name == b"data"), None)
        return stated is not None and (stated == 0 or stated >= _LARGEST_STATED_BYTES or _wav_goes_on(data))
    if head[:4] == b"RF64":
        ds64 = next((offset for name, offset, _ in _wav_chunks(data) if name == b"ds64"), None)
        return ds64 is not None and bytes(data[ds64 + 8 : ds64 + 16]) == bytes(8)
    if head[:4] == b".snd":
        return head[8:12] in (b"\xff\xff\xff\xff", b"\0\0\0\0")
    if head[:4] == b"caff":
        chunks = _chunks(data, start=8, header=">4sq", align=1)
        return any(name == b"data" and length == -1 for name, _, length in chunks)
    return False


def ends_inside_a_unit(data: memoryview) -> bool:
    """Tell whether the bytes of a WAV or an Ogg file end before its last chunk or page does.

    So does the reading of a WAV with several data chunks: FFmpeg takes one of them.
    """
    head = bytes(data[:4])
    if head == b"RIFF":
        return _wav_lacks_data(data)
    if head == b"OggS":
        return _last_ogg_page_is_cut(bytes(data[-_OGG_LARGEST_PAGE_BYTES:]))
    return False


def _chunks(data: memoryview, start: int, header: str, align: int) -> list[tuple[bytes, int, int]]:
    """Walk the chunks of an IFF-like file: (identifier, offset of the content, stated length)."""
    found: list[tuple[bytes, int, int]] = []
    size = struct.calcsize(header)
    while start + size <= len(data) and len(found) < 1000:
        identifier, length = struct.unpack_from(header, data, start)
        found.append((identifier, start + size, length))
        if length < 0:
            break
        start += size + length + length % align
    return found


def _wav_chunks(data: memoryview) -> list[tuple[bytes, int, int]]:
    return _chunks(data, start=12, header="<4sI", align=2)


def _wav_lacks_data(data: memoryview) -> bool:
    if is_open_ended(data):
        return False
    chunks = [(offset, length) for name, offset, length in _wav_chunks(data) if name == b"data"]
    return len(chunks) > 1 or any(offset + length > len(data) for offset, length in chunks)


def _wav_goes_on(data: memoryview) -> bool:
    """Tell whether what follows the data chunk are no chunks, but more than a trailer of some kind."""
    follows = False
    for name, offset, _ in _wav_chunks(data):
        if follows and not all(32 <= byte < 127 for byte in name):
            return len(data) - offset > _LARGEST_TRAILER_BYTES
        follows |= name == b"data"
    return False


def _is_mp3_guess(duration_s: float, data: memoryview, stream: AudioStream) -> bool:
    """Tell whether a duration is no more than the file's size over the bit rate of its first frames.

    That is FFmpeg's answer for an MP3 without a Xing or VBRI tag, and for MP3s that were joined. A tag that
    says the same says nothing either: the file is whole.
    """
    bit_rate_bps = stream.bit_rate
    if not bit_rate_bps:
        return False
    guess_s = (len(data) - _id3v2_bytes(data)) * 8 / bit_rate_bps
    return abs(duration_s - guess_s) <= _GUESS_TOLERANCE * guess_s


def _id3v2_bytes(data: memoryview) -> int:
    """Return the size of the tag in front of the audio, often a cover picture (ID3v2.4, section 3.1)."""
    if bytes(data[:3]) != b"ID3" or len(data) < 10:
        return 0
    b6, b7, b8, b9 = (byte & 0x7F for byte in data[6:10])
    return 10 + (b6 << 21 | b7 << 14 | b8 << 7 | b9)


def _last_ogg_page_is_cut(tail: bytes) -> bool:
    """RFC 3533: a page is a header, a table of segment lengths, and the segments."""
    start = tail.rfind(b"OggS")
    table = start + _OGG_PAGE_HEADER_BYTES
    if start < 0 or table > len(tail):
        return True
    lengths = tail[table : table + tail[table - 1]]
    return len(lengths) < tail[table - 1] or table + len(lengths) + sum(lengths) > len(tail)
