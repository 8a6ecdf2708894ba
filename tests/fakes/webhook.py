"""Whoever is told of a job's end, without a network."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from deployments.errors import RayscribeError
from serve_app.jobs.sender import WebhookSender
from serve_app.outbound.client import Acknowledgement


async def deliver(sender: WebhookSender) -> None:
    """Begin what is due, and wait for it."""
    others = asyncio.all_tasks()
    await sender.deliver_due()
    await asyncio.gather(*(asyncio.all_tasks() - others))


class HangingWebhook:
    """Takes a message and never answers."""

    def __init__(self) -> None:
        self.begun = asyncio.Semaphore(0)

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float
    ) -> Acknowledgement:
        self.begun.release()
        await asyncio.Event().wait()
        raise AssertionError


@dataclass
class FakeWebhook:
    """Answers what it is told to, in order, and the last of it for ever."""

    answers: list[Acknowledgement | RayscribeError] = field(default_factory=lambda: [Acknowledgement(204)])
    heard: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float
    ) -> Acknowledgement:
        self.heard.append((method, url, dict(headers), body))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, RayscribeError):
            raise answer
        return answer
