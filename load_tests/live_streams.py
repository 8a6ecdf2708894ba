"""A client that sends at the pace of speech and writes down when it heard what."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from deployments.contracts import SAMPLE_RATE_HZ
from serve_app.client import ListenError
from serve_app.live_client import (
    PIECE_BYTES,
    PIECE_S,
    ErrorEvent,
    LiveConnection,
    LiveRequest,
    LiveTranscript,
    Pace,
    live_session,
)


@dataclass(frozen=True, slots=True)
class Told:
    """A transcript, and when it came."""

    at_s: float
    transcript: LiveTranscript


@dataclass(slots=True)
class StreamLog:
    """One stream by the clock of this process. ``failure`` is empty where it came to its end, and all was heard."""

    sent_at_s: list[float] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    failure: str = ""

    def sent_s(self, audio_s: float) -> float:
        """When the audio of a moment was sent: with the message that holds it."""
        return self.sent_at_s[min(max(int(audio_s / PIECE_S), 0), len(self.sent_at_s) - 1)]

    @property
    def finals(self) -> list[Told]:
        """Those with words."""
        return [one for one in self.told if one.transcript.is_final and one.transcript.words]

    @property
    def text(self) -> str:
        """All that is final."""
        return " ".join(one.transcript.transcript for one in self.finals)


async def play(server: str, pcm: bytes, request: LiveRequest, delay_s: float = 0.0) -> StreamLog:
    """Send 16-bit PCM as a microphone would, a piece when it is complete, and hear the answers to the last.

    Args:
        server: base URL.
        pcm: at SAMPLE_RATE_HZ.
        request: how to listen.
        delay_s: time before the session is opened.
    """
    log = StreamLog()
    clock = asyncio.get_running_loop()
    await asyncio.sleep(delay_s)
    try:
        async with live_session(server, None, request) as session:
            sender = asyncio.create_task(_send(session, pcm, log))
            try:
                async for event in session.events():
                    if isinstance(event, LiveTranscript):
                        log.told.append(Told(clock.time(), event))
                    elif isinstance(event, ErrorEvent):
                        log.failure = event.message
            finally:
                sender.cancel()
    except ListenError as error:
        log.failure = str(error)
    return log


async def _send(session: LiveConnection, pcm: bytes, log: StreamLog) -> None:
    clock, pace = asyncio.get_running_loop(), Pace()
    for first in range(0, len(pcm), PIECE_BYTES):
        piece = pcm[first : first + PIECE_BYTES]
        await pace.wait_until((first + len(piece)) / 2 / SAMPLE_RATE_HZ)
        log.sent_at_s.append(clock.time())
        await session.send(piece)
    await session.close()
