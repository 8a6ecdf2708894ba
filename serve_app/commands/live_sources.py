"""Where ``rayscribe live`` gets its audio: 16-bit mono PCM at the socket's rate, in pieces as they are to be sent."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.error import FFmpegError

from deployments.contracts import Samples
from deployments.decode.mono_resampler import FrameShape, MonoResampler
from serve_app.live_client import PIECE_BYTES, SAMPLE_RATE_HZ

AudioSource = AbstractAsyncContextManager[AsyncIterator[bytes]]
"""Opened before the session is; the pieces are read while it runs."""

_PIECE_FRAMES = PIECE_BYTES // 2
# Ahead of what is sent: 3 s of audio. A pipe that is read further would fill this process instead of waiting.
_PIECES_AHEAD = 32


class SourceFailed(Exception):
    """There is no audio, or no more; the message is for people."""


class SoundDevice(Protocol):
    """What is used of the module ``sounddevice``."""

    @property
    def PortAudioError(self) -> type[Exception]:  # noqa: N802
        """What cannot be recorded."""
        ...

    def RawInputStream(  # noqa: N802
        self, *, samplerate: int, channels: int, dtype: str, blocksize: int, callback: Callable[..., None]
    ) -> contextlib.AbstractContextManager[Any]:
        """Record while the block runs; raises PortAudioError."""
        ...


@contextlib.asynccontextmanager
async def file_source(path: Path) -> AsyncGenerator[AsyncIterator[bytes]]:
    """A recording in any format that has an audio track.

    Raises:
        SourceFailed: it cannot be read; from the pieces where it is damaged.
    """
    pieces = _decoded(path)
    try:
        first = await asyncio.to_thread(next, pieces, b"")
    except SourceFailed as error:
        raise SourceFailed(f"{path}: {error}") from error

    async def read() -> AsyncIterator[bytes]:
        piece = first
        while piece:
            yield piece
            piece = await asyncio.to_thread(next, pieces, b"")

    yield read()


@contextlib.asynccontextmanager
async def raw_source(file_descriptor: int) -> AsyncGenerator[AsyncIterator[bytes]]:
    """Raw PCM from a pipe or a file, as it comes: nothing waits for a piece to be full."""
    waiting: asyncio.Queue[bytes] = asyncio.Queue(_PIECES_AHEAD)
    loop = asyncio.get_running_loop()

    def read() -> None:
        # RuntimeError: the loop is closed, and nobody wants the rest.
        with contextlib.suppress(RuntimeError):
            while True:
                try:
                    piece = os.read(file_descriptor, PIECE_BYTES)
                except OSError:
                    piece = b""
                asyncio.run_coroutine_threadsafe(waiting.put(piece), loop).result()
                if not piece:
                    return

    # A read cannot be interrupted; a daemon does not keep the process when the session is over.
    threading.Thread(target=read, daemon=True).start()
    yield _drained(waiting)


@contextlib.asynccontextmanager
async def microphone_source(device: SoundDevice) -> AsyncGenerator[AsyncIterator[bytes]]:
    """The default input device.

    Raises:
        SourceFailed: there is none, or it cannot be opened.
    """
    waiting: asyncio.Queue[bytes] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def take(data: Any, *_: object) -> None:
        loop.call_soon_threadsafe(waiting.put_nowait, bytes(data))

    with contextlib.ExitStack() as stack:
        try:
            stream = device.RawInputStream(
                samplerate=SAMPLE_RATE_HZ, channels=1, dtype="int16", blocksize=_PIECE_FRAMES, callback=take
            )
            stack.enter_context(stream)
        except device.PortAudioError as error:
            raise SourceFailed(f"No microphone can be opened: {error}") from error
        yield _drained(waiting)


def load_sound_device() -> SoundDevice:
    """The module, which loads PortAudio when it is imported.

    Raises:
        SourceFailed: PortAudio is not there.
    """
    try:
        import sounddevice
    except OSError as error:
        raise SourceFailed(f"No microphone: {error} (on Debian and Ubuntu: apt install libportaudio2)") from error
    device: SoundDevice = sounddevice
    return device


async def _drained(waiting: asyncio.Queue[bytes]) -> AsyncIterator[bytes]:
    while piece := await waiting.get():
        yield piece


def _decoded(path: Path) -> Iterator[bytes]:
    """A file in pieces of PIECE_BYTES, decoded as they are asked for."""
    ready = bytearray()

    def take(samples: Samples) -> None:
        ready.extend((np.clip(samples, -1.0, 1.0) * 32767).astype("<i2").tobytes())

    def full_pieces() -> Iterator[bytes]:
        while len(ready) >= PIECE_BYTES:
            yield bytes(ready[:PIECE_BYTES])
            del ready[:PIECE_BYTES]

    shape: FrameShape | None = None
    resampler: MonoResampler | None = None
    for frame in _frames(path):
        if resampler is None or FrameShape.of(frame) != shape:
            if resampler is not None:
                resampler.finish()
            shape, resampler = FrameShape.of(frame), MonoResampler(frame, take)
        resampler.write(frame)
        yield from full_pieces()
    if resampler is not None:
        resampler.finish()
    yield from full_pieces()
    if ready:
        yield bytes(ready)


def _frames(path: Path) -> Iterator[AudioFrame]:
    try:
        with av.open(str(path)) as container:
            stream = container.streams.best("audio")
            if stream is None:
                raise SourceFailed("no audio track")
            yield from (frame for frame in container.decode(stream) if isinstance(frame, AudioFrame) and frame.samples)
    except FFmpegError as error:
        raise SourceFailed(error.strerror or "cannot be decoded") from error
