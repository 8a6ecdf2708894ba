from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any, Self

import pytest

from serve_app.commands.live_sources import SourceFailed, microphone_source, raw_source
from serve_app.live_client import PIECE_BYTES

pytestmark = pytest.mark.unit


class _Busy(Exception):
    """What a fake PortAudio raises."""


class _Device:
    """Records three pieces from a thread of its own, as PortAudio does."""

    PortAudioError = _Busy

    def __init__(self, failure: Exception | None = None) -> None:
        self.asked: dict[str, Any] = {}
        self.is_recording = False
        self._failure = failure

    def RawInputStream(self, *, callback: Callable[..., None], **asked: Any) -> Self:  # noqa: N802
        if self._failure is not None:
            raise self._failure
        self.asked, self._callback = asked, callback
        return self

    def __enter__(self) -> Self:
        self.is_recording = True
        for number in range(3):
            self._callback(memoryview(bytes([number]) * PIECE_BYTES), PIECE_BYTES // 2, None, None)
        return self

    def __exit__(self, *_: object) -> None:
        self.is_recording = False


async def test_a_microphone_gives_pieces_while_it_is_open() -> None:
    device = _Device()
    async with microphone_source(device) as pieces:
        assert [(await anext(pieces))[0] for _ in range(3)] == [0, 1, 2]
        states = [device.is_recording]
    states.append(device.is_recording)
    assert states == [True, False]
    assert device.asked == {"samplerate": 16_000, "channels": 1, "dtype": "int16", "blocksize": PIECE_BYTES // 2}


async def test_a_microphone_that_cannot_be_opened_says_why() -> None:
    with pytest.raises(SourceFailed, match="Error querying device -1"):
        async with microphone_source(_Device(_Busy("Error querying device -1"))):
            pass


async def test_a_pipe_gives_what_there_is_without_waiting_for_a_whole_piece() -> None:
    reader, writer = os.pipe()
    try:
        async with raw_source(reader) as pieces:
            for said in (b"ab", b"c"):
                os.write(writer, said)
                assert await anext(pieces) == said
            os.close(writer)
            assert [piece async for piece in pieces] == []
    finally:
        os.close(reader)


async def test_a_pipe_is_not_read_far_ahead() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    written = 0
    async with raw_source(reader) as pieces:
        while written < 1_000_000:
            try:
                written += os.write(writer, bytes(PIECE_BYTES))
            except BlockingIOError:
                break
            await asyncio.sleep(0.001)
        os.close(writer)
        assert written < 1_000_000
        assert sum([len(piece) async for piece in pieces]) == written
    os.close(reader)
