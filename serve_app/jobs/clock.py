"""Whose clock leases and schedules go by: the database's.

Runners sit on several machines, whose clocks differ; a lease that one of them sets and another one judges must be
measured by one clock. With SQLite there is one machine, and its clock is the database's.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

DatabaseClock = Callable[[AsyncConnection], Awaitable[float]]
"""Seconds since 1970, asked inside a transaction."""


async def database_time_s(connection: AsyncConnection) -> float:
    """The time now; on PostgreSQL not that of the transaction's begin, which may have waited since."""
    if connection.dialect.name == "sqlite":
        return time.time()
    return float((await connection.execute(text("SELECT extract(epoch FROM clock_timestamp())"))).scalar_one())
