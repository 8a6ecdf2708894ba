from __future__ import annotations

import struct

import pytest

from deployments.decode.limits import DecodeLimits
from deployments.decode.pyav_engine import PyAvDecoder
from tests.fakes.audio_files import FORMATS, encode, encode_wav, sine

pytestmark = pytest.mark.unit


def test_a_title_that_is_no_utf8_is_no_fault() -> None:
    wav = encode_wav(sine(440.0, 1.0))
    tag = b"INFOINAM" + struct.pack("<I", 6) + b"M\xfcnch\0"
    listed = b"LIST" + struct.pack("<I", len(tag)) + tag
    data = wav[:12] + listed + wav[12:]
    data = data[:4] + struct.pack("<I", len(data) - 8) + data[8:]
    assert PyAvDecoder(DecodeLimits()).decode(data).duration_s == 1.0


def test_an_mp3_title_that_is_no_utf8_is_no_fault() -> None:
    frame = b"TIT2" + struct.pack(">I", 7) + b"\0\0" + b"\x03M\xfcnch\0"
    cover = b"ID3\x03\0\0" + bytes([0, 0, 0, len(frame)]) + frame
    data = cover + encode(sine(440.0, 1.0, 44_100), FORMATS["mp3-44k-stereo"])
    assert PyAvDecoder(DecodeLimits()).decode(data).duration_s == pytest.approx(1.0, abs=0.1)
