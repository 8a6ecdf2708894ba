"""Answers that can be long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fastapi.responses import JSONResponse
from pydantic import BaseModel


async def written(answer: Callable[[], BaseModel]) -> JSONResponse:
    """An answer as JSON, without the fields that were not set, made and written in a thread.

    The words of two hours take 0.4 s of the processor, and live speech does not wait for them.
    """
    return await asyncio.to_thread(lambda: JSONResponse(answer().model_dump(mode="json", exclude_unset=True)))
