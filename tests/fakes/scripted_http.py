"""An HTTP server that writes exactly the bytes it is told to, however wrong, on a real socket of this event loop."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Heard:
    """One request, as it came in; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


Answer = Callable[[Heard, asyncio.StreamWriter], Coroutine[None, None, None]]


@dataclass
class ScriptedServer:
    """What was heard, whether anything was, and whether a client went away before its answer was complete."""

    port: int = 0
    heard: list[Heard] = field(default_factory=list)
    called: asyncio.Event = field(default_factory=asyncio.Event)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)


def response(status: int, body: bytes = b"", **headers: str) -> bytes:
    """A whole response; underscores in header names stand for dashes. A Content-Length given wins over the true one."""
    named = {"content-length": str(len(body))} | {
        name.replace("_", "-").lower(): text for name, text in headers.items()
    }
    lines = [f"HTTP/1.1 {status} Scripted", *(f"{name}: {text}" for name, text in named.items()), "", ""]
    return "\r\n".join(lines).encode() + body


def fixed(answer: bytes) -> Answer:
    """Always the same bytes."""

    async def write(_: Heard, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    return write


def by_target(answers: dict[str, bytes]) -> Answer:
    """One answer for each path with query."""

    async def write(heard: Heard, writer: asyncio.StreamWriter) -> None:
        writer.write(answers.get(heard.target, response(404)))
        await writer.drain()

    return write


def endless(head: bytes, chunk: bytes, pause_s: float) -> Answer:
    """A body that does not end before the client goes away."""

    async def write(_: Heard, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(chunk)
            await writer.drain()
            await asyncio.sleep(pause_s)

    return write


@contextlib.asynccontextmanager
async def scripted_server(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[ScriptedServer]:
    """Serve on a free loopback port; each connection is closed after its answer."""
    server = ScriptedServer()
    conversations: set[asyncio.Task[None]] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            try:
                heard = await _read_request(reader)
                server.heard.append(heard)
                server.called.set()
                await _answer(server, answer(heard, writer), reader)
            finally:
                writer.close()
                await writer.wait_closed()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversations.add(asyncio.ensure_future(converse(reader, writer)))

    listening = await asyncio.start_server(begin, "127.0.0.1", 0, ssl=tls)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for conversation in conversations:
            conversation.cancel()
        await asyncio.gather(*conversations, return_exceptions=True)


async def _answer(server: ScriptedServer, writing: Coroutine[None, None, None], reader: asyncio.StreamReader) -> None:
    answering = asyncio.ensure_future(writing)
    leaving = asyncio.ensure_future(reader.read(1))
    try:
        await asyncio.wait((answering, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not answering.done() or isinstance(answering.exception(), OSError):
            server.hung_up.set()
    finally:
        answering.cancel()
        leaving.cancel()
        await asyncio.gather(answering, leaving, return_exceptions=True)


async def _read_request(reader: asyncio.StreamReader) -> Heard:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.strip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): text.strip() for name, _, text in (line.partition(":") for line in lines)}
    return Heard(method, target, headers, await reader.readexactly(int(headers.get("content-length", "0"))))
