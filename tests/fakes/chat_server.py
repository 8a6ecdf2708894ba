"""A server that speaks OpenAI's chat completions, on a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from anyio.from_thread import start_blocking_portal

from tests.fakes.scripted_http import Heard, response, scripted_server


def completion(content: str | None, finish_reason: str = "stop") -> bytes:
    """A whole answer with one choice."""
    choice = {"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", "content": content}}
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "polish",
        "choices": [choice],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
    }
    return json_response(200, json.dumps(body))


def json_response(status: int, body: str) -> bytes:
    """A whole response, after which the server hangs up, as it says."""
    return response(status, body.encode(), content_type="application/json", connection="close")


Reply = Callable[[dict[str, Any]], Awaitable[bytes]]
"""Gets the body of a request, and gives the bytes of the whole response; none at all hangs up."""


@dataclass
class ChatServer:
    """``url`` is the base of a client; ``bodies`` and ``keys`` are what requests brought, ``most_at_once`` of them."""

    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    most_at_once: int = 0


@contextlib.asynccontextmanager
async def replying_server(reply: Reply) -> AsyncIterator[ChatServer]:
    """Serve on the running event loop."""
    chat = ChatServer()
    running = 0

    async def converse(heard: Heard, writer: asyncio.StreamWriter) -> None:
        nonlocal running
        assert (heard.method, heard.target) == ("POST", "/v1/chat/completions")
        body = json.loads(heard.body)
        chat.bodies.append(body)
        chat.keys.append(heard.headers["authorization"])
        running += 1
        chat.most_at_once = max(chat.most_at_once, running)
        try:
            answer = await reply(body)
        finally:
            running -= 1
        writer.write(answer)
        await writer.drain()

    async with scripted_server(converse) as server:
        chat.url = f"http://127.0.0.1:{server.port}/v1"
        yield chat


@contextlib.asynccontextmanager
async def chat_server(answer: Callable[[int], bytes], delay_s: float = 0.0) -> AsyncIterator[ChatServer]:
    """Serve; ``answer`` gets the number of the request, from 0, and gives the bytes of the whole response."""
    numbers = itertools.count()

    async def reply(_: dict[str, Any]) -> bytes:
        number = next(numbers)
        await asyncio.sleep(delay_s)
        return answer(number)

    async with replying_server(reply) as chat:
        yield chat


@contextlib.contextmanager
def running_chat_server(reply: Reply) -> Iterator[ChatServer]:
    """Serve on an event loop in a thread of its own, for services that outlive a test."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(replying_server(reply)) as chat:
        yield chat
