"""Requests at a rate that changes with time."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable

import httpx


class Sender:
    """Sends recordings at a rate, whether or not answers come; counts the answers by their status."""

    def __init__(self, url: str, body: bytes) -> None:
        limits = httpx.Limits(max_connections=None)
        self._http = httpx.AsyncClient(base_url=url, timeout=600, limits=limits, trust_env=False)
        self._body = body
        self._open: set[asyncio.Task[None]] = set()
        self.answers: Counter[str] = Counter()

    async def __aenter__(self) -> Sender:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def send(self, rate_hz: Callable[[float], float], seconds: float) -> None:
        """``rate_hz`` of the seconds since this began."""
        begun_s, due = time.monotonic(), 0.0
        at_s = 0.0
        while at_s < seconds:
            await asyncio.sleep(0.05)
            now_s = time.monotonic() - begun_s
            due += (now_s - at_s) * rate_hz(at_s)
            at_s = now_s
            while due >= 1:
                due -= 1
                task = asyncio.create_task(self._ask())
                self._open.add(task)
                task.add_done_callback(self._open.discard)

    async def all_answered(self) -> None:
        """Returns when nothing is under way."""
        while self._open:
            await asyncio.wait(self._open)

    async def _ask(self) -> None:
        try:
            answer = await self._http.post("/v1/listen", files={"audio": ("a", self._body)})
        except httpx.HTTPError as error:
            self.answers[type(error).__name__] += 1
        else:
            self.answers[f"HTTP {answer.status_code}"] += 1
