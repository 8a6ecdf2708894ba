"""OpenAI's own client, talking to an app in this process."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import httpx2
from fastapi import FastAPI
from openai import AsyncOpenAI


@contextlib.asynccontextmanager
async def openai_client(app: FastAPI, api_key: str = "rs_any") -> AsyncIterator[AsyncOpenAI]:
    """It does not repeat what failed. Answers arrive whole: streams need a server."""
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with (
        httpx2.AsyncClient(transport=transport) as http_client,
        AsyncOpenAI(base_url="http://rayscribe/v1", api_key=api_key, max_retries=0, http_client=http_client) as client,
    ):
        yield client
