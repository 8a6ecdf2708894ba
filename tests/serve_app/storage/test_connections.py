from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from serve_app.storage.database import Database
from serve_app.storage.engines import is_outage
from tests.fakes.postgres import PostgresServer

pytestmark = pytest.mark.unit


async def test_a_holder_of_locks_that_went_silent_is_let_go(postgres: PostgresServer, migrated_database: str) -> None:
    database = Database(postgres.url(migrated_database))
    async with database.reading() as connection:
        found = [
            (await connection.execute(text(f"SHOW {name}"))).scalar_one()
            for name in ("idle_in_transaction_session_timeout", "lock_timeout")
        ]
    await database.close()
    assert found == ["1min", "5s"]


async def test_connections_that_were_cut_while_idle_cost_no_request(
    postgres: PostgresServer, migrated_database: str
) -> None:
    database = Database(postgres.url(migrated_database))
    async with database.reading() as connection:
        own = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
    other = Database(postgres.url(migrated_database))
    async with other.reading() as connection:
        await connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": own})
    await other.close()
    async with database.reading() as connection:
        await connection.execute(text("SELECT 1"))
    await database.close()


def test_a_pool_without_a_free_connection_is_an_outage() -> None:
    assert is_outage(PoolTimeoutError())
