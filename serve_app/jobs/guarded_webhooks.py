"""Webhooks through the client that connects to nothing that is private."""

from __future__ import annotations

from collections.abc import Mapping

from serve_app.jobs.sender import WebhookAnswer
from serve_app.outbound.client import GuardedClient


class GuardedWebhooks:
    """Implements WebhookClient."""

    def __init__(self, client: GuardedClient) -> None:
        self._client = client

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float
    ) -> WebhookAnswer:
        """See WebhookClient."""
        return WebhookAnswer(await self._client.send(method, url, headers, body, timeout_s))
