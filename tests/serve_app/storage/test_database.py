from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from deployments.errors import EngineUnavailable, ServiceUnavailable
from deployments.signal_table import DATABASE_FAILURES, DATABASE_TIME
from serve_app.jobs import tables as jobs_tables
from serve_app.storage.database import Database
from serve_app.storage.tables import METADATA, USERS
from tests.fakes.postgres import PostgresServer
from tests.fakes.signals import RecordedSignals

pytestmark = pytest.mark.unit


def _user(name: str, balance_micros: int = 0) -> dict[str, object]:
    return {
        "id": f"user_{name}",
        "name": name,
        "plan": "default",
        "balance_micros": balance_micros,
        "webhook_secret": "whsec_",
        "created_at_s": 0.0,
    }


async def _count(database: Database) -> int:
    async with database.reading() as connection:
        return (await connection.execute(select(func.count()).select_from(USERS))).scalar_one()


async def test_a_transaction_is_stored_whole_or_not_at_all(database: Database) -> None:
    async with database.writing() as connection:
        await connection.execute(insert(USERS), _user("ann"))

    async def fail_inside() -> None:
        async with database.writing() as connection:
            await connection.execute(insert(USERS), _user("bob"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_inside()
    assert await _count(database) == 1


async def test_what_is_read_inside_a_transaction_stays_true(database: Database) -> None:
    async with database.writing() as connection:
        await connection.execute(insert(USERS), _user("ann"))

    async def add_one() -> None:
        async with database.writing() as connection:
            balance = USERS.c.balance_micros
            seen = (await connection.execute(select(balance).with_for_update())).scalar_one()
            await asyncio.sleep(0)
            await connection.execute(update(USERS).values(balance_micros=seen + 1))

    await asyncio.gather(*(add_one() for _ in range(20)))
    async with database.reading() as connection:
        assert (await connection.execute(select(USERS.c.balance_micros))).scalar_one() == 20


async def test_a_cancelled_transaction_leaves_nothing_and_holds_nothing(database: Database) -> None:
    inside = asyncio.Event()

    async def wait_inside() -> None:
        async with database.writing() as connection:
            await connection.execute(insert(USERS), _user("ann"))
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(wait_inside())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await _count(database) == 0
    async with database.writing() as connection:
        await connection.execute(insert(USERS), _user("ann"))


async def test_wherever_they_are_cancelled_transactions_leave_no_lock(database: Database) -> None:
    async def write(name: str) -> None:
        async with database.writing() as connection:
            await connection.execute(insert(USERS), _user(name))

    async def write_and_cancel(name: str, passes: int) -> bool:
        task = asyncio.create_task(write(name))
        for _ in range(passes):
            await asyncio.sleep(0)
        task.cancel()
        (error,) = await asyncio.gather(task, return_exceptions=True)
        return error is None

    written = await asyncio.gather(*(write_and_cancel(f"user {passes}", passes) for passes in range(0, 90, 3)))
    await write("ann")
    # A cancellation may come after the commit.
    assert await _count(database) >= sum(written) + 1


@pytest.mark.parametrize("kind", ["writing", "reading"])
async def test_a_task_that_is_cancelled_while_its_statement_runs_leaves_the_file_to_other_processes(
    migrated_file: Path, tmp_path: Path, kind: str
) -> None:
    path = shutil.copy(migrated_file, tmp_path / "test.db")
    database = Database(f"sqlite+aiosqlite:///{path}")
    running, gate = threading.Event(), threading.Event()

    def hold() -> None:
        running.set()
        gate.wait()

    async def hold_inside() -> None:
        async with getattr(database, kind)() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            await driver.create_function("hold", 0, hold)
            await connection.execute(text("SELECT hold() FROM sqlite_master"))

    task = asyncio.create_task(hold_inside())
    await asyncio.to_thread(running.wait)
    task.cancel()
    # Its statement goes on for a while after the task was told.
    asyncio.get_running_loop().call_soon(gate.set)
    with pytest.raises(asyncio.CancelledError) as kept:
        await task
    with contextlib.closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other_process:
        other_process.execute("BEGIN IMMEDIATE")
        other_process.execute("PRAGMA user_version = 1")
        other_process.execute("COMMIT")
        # It can take all of the write-ahead log over, because nobody looks at an older state of the file.
        assert other_process.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    assert kept.tb, "with the cursor of its statement"
    await database.close()


async def test_a_connection_that_is_cut_is_an_outage_and_the_next_transaction_gets_another(
    postgres: PostgresServer, migrated_database: str
) -> None:
    postgres.empty(migrated_database)
    database = Database(postgres.url(migrated_database))

    async def write_across_the_cut() -> None:
        async with database.writing() as connection:
            await connection.execute(insert(USERS), _user("ann"))
            await asyncio.to_thread(postgres.empty, migrated_database)
            await connection.execute(insert(USERS), _user("bob"))

    with pytest.raises(ServiceUnavailable):
        await write_across_the_cut()
    async with database.writing() as connection:
        await connection.execute(insert(USERS), _user("zoe"))
    await asyncio.to_thread(postgres.empty, migrated_database)
    assert await _count(database) == 0
    await database.close()


async def test_a_server_that_no_longer_takes_writes_is_an_outage_and_is_left(
    postgres: PostgresServer, migrated_database: str
) -> None:
    postgres.empty(migrated_database)
    database = Database(postgres.url(migrated_database))

    async def write() -> None:
        async with database.writing() as connection:
            await connection.execute(insert(USERS), _user("ann"))

    async with database.writing() as connection:
        await connection.execute(text("SET default_transaction_read_only = on"))
    with pytest.raises(ServiceUnavailable):
        await write()
    await write()
    assert await _count(database) == 1
    await database.close()


async def test_no_connection_is_made_to_a_server_that_takes_no_writes_unless_the_url_says_so(
    postgres: PostgresServer,
) -> None:
    name = postgres.new_database()
    database = Database(postgres.url(name))
    async with database.writing() as connection:
        await connection.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
    await database.close()
    with pytest.raises(ServiceUnavailable):
        async with database.reading():
            pass
    await database.close()
    undemanding = Database(postgres.url(name) + "&target_session_attrs=any")
    async with undemanding.reading() as connection:
        assert (await connection.execute(text("SHOW transaction_read_only"))).scalar_one() == "on"
    await undemanding.close()


async def test_readers_do_not_wait_for_a_writer(database: Database) -> None:
    async with database.writing() as connection:
        await connection.execute(insert(USERS), _user("ann"))
        assert await _count(database) == 0


async def test_foreign_keys_and_constraints_hold(database: Database) -> None:
    row = {"user_id": "nobody", "day": "2025-01-01", "requests": 1, "audio_s": 0, "billable_s": 0}
    with pytest.raises(IntegrityError) as caught:
        async with database.writing() as connection:
            await connection.execute(
                text(
                    "INSERT INTO usage_days (user_id, day, requests, audio_s, billable_s)"
                    " VALUES (:user_id, :day, :requests, :audio_s, :billable_s)"
                ),
                row,
            )
    assert "2025-01-01" not in str(caught.value)


async def test_a_mistake_in_a_statement_is_no_outage(database: Database) -> None:
    with pytest.raises(SQLAlchemyError):
        async with database.reading() as connection:
            await connection.execute(text("SELECT * FROM no_such_table"))


async def test_transactions_tell_their_time_and_a_mistake_in_one_is_no_failure_of_the_database(
    database_url: str,
) -> None:
    signals, times_s = RecordedSignals(), iter([1.0, 1.5, 2.0, 4.0])
    database = Database(database_url, signals=signals, clock=lambda: next(times_s))
    try:
        with pytest.raises(ZeroDivisionError):
            async with database.reading():
                raise ZeroDivisionError
        async with database.writing():
            pass
    finally:
        await database.close()
    assert signals.observed(DATABASE_TIME, "read") == [0.5]
    assert signals.observed(DATABASE_TIME, "write") == [2.0]
    assert not signals.counts


async def test_a_lock_that_is_held_too_long_is_an_outage(database_url: str) -> None:
    signals = RecordedSignals()
    first, second = Database(database_url), Database(database_url, lock_timeout_s=0.05, signals=signals)
    try:
        async with first.writing() as connection:
            await connection.execute(insert(USERS), _user("ann"))
            if second.is_sqlite:
                for database in (second, second):
                    with pytest.raises(ServiceUnavailable, match="The database does not answer"):
                        async with database.writing():
                            pass
            else:
                with pytest.raises(ServiceUnavailable, match="The database does not answer"):
                    async with second.writing() as other:
                        await other.execute(insert(USERS), _user("ann"))
            assert signals.counted(DATABASE_FAILURES, "write") == len(signals.observed(DATABASE_TIME, "write")) >= 1
    finally:
        await first.close()
        await second.close()


async def test_a_server_that_is_not_there_is_an_outage_that_tells_no_password(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # A service that ran in this process before has set the level.
    caplog.set_level(logging.WARNING, "ray.serve")
    database = Database("postgresql+psycopg://someone:hunter2@127.0.0.1:1/rayscribe")
    for transaction in (database.reading, database.writing):
        with pytest.raises(ServiceUnavailable) as caught:
            async with transaction():
                pass
        assert "hunter2" not in str(caught.value)
        assert caught.value.__suppress_context__
    with pytest.raises(ServiceUnavailable):
        await database.migrate()
    assert "onnection refused" in caplog.text
    assert "hunter2" not in caplog.text


async def test_a_file_that_cannot_be_made_is_an_outage(tmp_path: Path) -> None:
    with pytest.raises(ServiceUnavailable):
        await Database(f"sqlite+aiosqlite:///{tmp_path}/missing/test.db").migrate()


@pytest.mark.parametrize(
    "url",
    [
        "sqlite+aiosqlite://",
        "sqlite+aiosqlite:///:memory:",
        "sqlite+aiosqlite:///file:x?mode=memory&uri=true",
        "sqlite:///x.db",
        "mysql+aiomysql://u:hunter2@h/d",
    ],
)
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="database") as caught:
        Database(url)
    assert "hunter2" not in str(caught.value)


def _differences(connection: Connection) -> Any:
    return compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), METADATA)


async def test_the_migrations_make_the_tables(database: Database) -> None:
    assert jobs_tables.__name__, "imported for the tables that it adds to METADATA"
    async with database.reading() as connection:
        assert await connection.run_sync(_differences) == []


def test_several_processes_may_migrate_at_once(empty_database_url: str) -> None:
    # One start of the interpreter for all of them; they are let go at once.
    program = """
import asyncio, os, sys
from serve_app.storage.database import Database
gate, opener = os.pipe()
def child():
    os.close(opener)
    os.read(gate, 1)
    asyncio.run(Database(sys.argv[1]).migrate())
    os._exit(0)
children = [os.fork() or child() for _ in range(4)]
os.close(opener)
print([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children])
"""
    result = subprocess.run([sys.executable, "-c", program, empty_database_url], capture_output=True, text=True)
    assert (result.stdout, result.stderr) == ("[0, 0, 0, 0]\n", "")

    async def look() -> int:
        database = Database(empty_database_url)
        try:
            return await _count(database)
        finally:
            await database.close()

    assert asyncio.run(look()) == 0


async def test_a_schema_of_a_newer_version_is_left_alone(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    await database.migrate()
    async with database.writing() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(EngineUnavailable, match="newer Rayscribe"):
        await database.migrate()
    await database.close()


async def test_the_sqlite_file_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    database = Database(f"sqlite+aiosqlite:///{path}")
    await database.migrate()
    async with database.reading() as connection:
        settings = {
            name: (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous")
        }
    await database.close()
    assert path.stat().st_mode & 0o777 == 0o600
    assert settings == {"journal_mode": "wal", "synchronous": 2}
