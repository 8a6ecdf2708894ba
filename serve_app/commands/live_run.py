"""One ``rayscribe live``: sends a source and shows what is heard, until it ends or is interrupted."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Iterator

from serve_app.commands.live_display import Display
from serve_app.commands.live_sources import AudioSource
from serve_app.live_client import SAMPLE_RATE_HZ, LiveConnection, LiveRequest, Pace, live_session

_BYTES_PER_S = SAMPLE_RATE_HZ * 2


async def run_live(
    server: str, api_key: str | None, request: LiveRequest, source: AudioSource, pace: Pace | None, display: Display
) -> None:
    """Show everything up to the last final.

    The first Ctrl-C or SIGTERM ends the audio, and the last words are waited for; the second one ends everything.

    Args:
        server: base URL.
        api_key: where the server asks for one.
        request: how to listen.
        source: of the audio.
        pace: holds a source back that is faster than people speak; None: it is not.
        display: shows the events.

    Raises:
        SourceFailed: there is no audio, or it broke off; what came before has been shown.
        ListenError: the session ended before its last words.
        KeyboardInterrupt: at the second Ctrl-C.
    """
    async with source as pieces, live_session(server, api_key, request) as session:
        sender = asyncio.create_task(_send(session, pieces, pace))
        try:
            with display.entered(), _ended_by_signals(sender):
                async for event in session.events():
                    display.show(event)
        finally:
            sender.cancel()
            outcome = (await asyncio.gather(sender, return_exceptions=True))[0]
        if isinstance(outcome, Exception):
            raise outcome


async def _send(session: LiveConnection, pieces: AsyncIterator[bytes], pace: Pace | None) -> None:
    sent_bytes = 0
    try:
        async for piece in pieces:
            sent_bytes += len(piece)
            if pace is not None:
                await pace.wait_until(sent_bytes / _BYTES_PER_S)
            await session.send(piece)
    finally:
        await session.close()


@contextlib.contextmanager
def _ended_by_signals(sender: asyncio.Task[None]) -> Iterator[None]:
    """The first signal cancels the sender, which closes the session; the next one does what it always does."""
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)

    def forget() -> None:
        for number in signals:
            loop.remove_signal_handler(number)

    def end() -> None:
        forget()
        sender.cancel()

    for number in signals:
        loop.add_signal_handler(number, end)
    try:
        yield
    finally:
        forget()
