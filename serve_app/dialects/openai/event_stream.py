"""A transcription that is answered while it runs: server-sent events (WHATWG HTML, section 9.2).

The lease is held by one task from admission to the end of the stream, since losing it cancels that task: the route
enters it, and the response, which runs in the same task, leaves it. What works for the stream is a task of its own,
which never outlives the lease.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from deployments.contracts import Segment, Transcript
from serve_app.dialects.errors import error_response
from serve_app.dialects.openai.errors import error_body
from serve_app.dialects.openai.events import Event, EventWriter
from serve_app.pipeline import SegmentSink

KEEP_ALIVE_S = 15.0
"""Proxies commonly close a connection that is silent for 60 s."""
# Groups of segments, of 30 s of audio each, that a slow client may be behind before recognition waits for it.
_WAITING_GROUPS = 4
_KEEP_ALIVE = b": keep-alive\n\n"
_END = b"data: [DONE]\n\n"
_HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}


class RunningTranscription:
    """The segments of a transcription as they are done, then the transcript. See ``running``."""

    def __init__(self, run: Callable[[SegmentSink], Awaitable[Transcript]]) -> None:
        self._room = asyncio.Semaphore(_WAITING_GROUPS)
        self._finished: asyncio.Queue[tuple[Segment, ...] | None] = asyncio.Queue()
        self._work = asyncio.ensure_future(run(self._take))
        self._work.add_done_callback(lambda _: self._finished.put_nowait(None))

    async def more(self) -> tuple[Segment, ...] | None:
        """The next segments; None, once, when there are no more.

        Raises:
            RayscribeError: the transcription failed.
        """
        segments = await self._finished.get()
        if segments is None:
            self._work.result()
            return None
        self._room.release()
        return segments

    def transcript(self) -> Transcript:
        """The whole, when there are no more segments."""
        return self._work.result()

    async def stop(self) -> None:
        """Cancel what runs, and wait until it has ended."""
        self._work.cancel()
        await asyncio.gather(self._work, return_exceptions=True)

    async def _take(self, segments: tuple[Segment, ...]) -> None:
        await self._room.acquire()
        self._finished.put_nowait(segments)


@contextlib.asynccontextmanager
async def running(run: Callable[[SegmentSink], Awaitable[Transcript]]) -> AsyncIterator[RunningTranscription]:
    """Start a transcription, which does not outlive the context. It waits where nobody takes its segments."""
    transcription = RunningTranscription(run)
    try:
        yield transcription
    finally:
        await transcription.stop()


class TranscriptEvents(Response):
    """Sends the events of a transcription, and closes ``held`` before the last: see ``visiting``."""

    media_type = "text/event-stream"

    def __init__(
        self,
        transcription: RunningTranscription,
        first: tuple[Segment, ...] | None,
        writer: EventWriter,
        held: contextlib.AsyncExitStack,
    ) -> None:
        """First is what ``transcription.more()`` gave already."""
        self.status_code = 200
        self.background = None
        self.init_headers(_HEADERS)
        self._transcription = transcription
        self._first = first
        self._writer = writer
        self._held = held

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send everything; ends early when the client goes away."""
        client = _Client(send)
        try:
            async with self._held:
                await client.start(self.raw_headers)
                await self._relay(client, receive)
                last = _sse([self._writer.done(self._transcription.transcript())]) + _END
        except ClientDisconnect:
            return
        except Exception as error:
            # The status has been sent, so this is the place that is left. The SDK raises it as an APIError.
            last = b"data: " + bytes(error_response(error, error_body).body) + b"\n\n"
        with contextlib.suppress(ClientDisconnect):
            await client.finish(last)

    async def close(self) -> None:
        """Stop the work and give up what is held, where that has not been done."""
        await self._held.aclose()

    async def _relay(self, client: _Client, receive: Receive) -> None:
        """Send segments until there are no more.

        Raises:
            ClientDisconnect: nobody is there to read them.
        """
        gone = asyncio.ensure_future(_gone(receive))
        try:
            segments = self._first
            while segments is not None:
                await client.send(_sse(self._writer.more(segments)))
                segments = await self._more(client, gone)
        finally:
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)

    async def _more(self, client: _Client, gone: asyncio.Future[None]) -> tuple[Segment, ...] | None:
        upcoming = asyncio.ensure_future(self._transcription.more())
        either: set[asyncio.Future[Any]] = {upcoming, gone}
        try:
            while not upcoming.done():
                done, _ = await asyncio.wait(either, timeout=KEEP_ALIVE_S, return_when=asyncio.FIRST_COMPLETED)
                if gone in done:
                    raise ClientDisconnect
                if not done:
                    await client.send(_KEEP_ALIVE)
            return upcoming.result()
        finally:
            upcoming.cancel()
            await asyncio.gather(upcoming, return_exceptions=True)


class _Client:
    """The other end of the connection.

    Raises:
        ClientDisconnect: from every method, where the server says by an OSError that the client is gone.
    """

    def __init__(self, send: Send) -> None:
        self._send = send

    async def start(self, headers: list[tuple[bytes, bytes]]) -> None:
        await self._sent({"type": "http.response.start", "status": 200, "headers": headers})

    async def send(self, content: bytes) -> None:
        await self._sent({"type": "http.response.body", "body": content, "more_body": True})

    async def finish(self, content: bytes) -> None:
        await self._sent({"type": "http.response.body", "body": content, "more_body": False})

    async def _sent(self, message: dict[str, object]) -> None:
        try:
            await self._send(message)
        except OSError as error:
            raise ClientDisconnect from error


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _sse(events: list[Event]) -> bytes:
    return b"".join(b"data: " + event.model_dump_json(exclude_unset=True).encode() + b"\n\n" for event in events)
