"""The database: transactions on SQLite or PostgreSQL, and the schema they need."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from enum import Enum, auto
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments import service_log as log
from deployments.errors import EngineUnavailable, ServiceUnavailable
from deployments.signal_table import DATABASE_FAILURES, DATABASE_TIME
from deployments.signals import SILENT, Signals
from serve_app.storage.engines import is_outage, postgres_engine, sqlite_engine

_MIGRATION_LOCK = 0x5261795363726962
"""Any number that nobody else takes an advisory lock on: "RayScrib" in ASCII."""
_WAL_RETRY_S = 0.02
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_BUSY_RECOVERY, sqlite3.SQLITE_BUSY_SNAPSHOT)


class Schema(Enum):
    """Of a database, beside the one that this version of the code needs."""

    MISSING = auto()
    OLDER = auto()
    CURRENT = auto()


class Database:
    """One per process and event loop; owns the connections."""

    def __init__(
        self,
        url: str,
        *,
        lock_timeout_s: float = 5.0,
        signals: Signals = SILENT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Connects when first used.

        Args:
            url: ``sqlite+aiosqlite:///path`` or ``postgresql+psycopg://…``.
            lock_timeout_s: how long a transaction waits for others, and for a connection.
            signals: are told how long transactions take, and of those that got no answer.
            clock: in seconds.

        Raises:
            ValueError: another kind of database, or one in memory, which no other process could see.
            EngineUnavailable: the driver is not installed.
        """
        self._url = _checked(url)
        self._lock_timeout_s = lock_timeout_s
        self._signals = signals
        self._clock = clock
        self._engine = (sqlite_engine if self.is_sqlite else postgres_engine)(self._url, lock_timeout_s)
        # SQLite lets one writer in at a time and lets the others poll. Those of this process queue here instead: in
        # order, and without a thread each.
        self._turn = asyncio.Lock()

    @property
    def is_sqlite(self) -> bool:
        """Whether everything is in one file, for the processes of one machine only."""
        return self._url.get_backend_name() == "sqlite"

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """One transaction, committed at the end unless an exception leaves the block. Do not nest.

        On SQLite it holds the file's one write lock from the start (BEGIN IMMEDIATE), so what it reads stays true; on
        PostgreSQL it must lock what it reads and relies on (``with_for_update``, which SQLite ignores).

        Raises:
            ServiceUnavailable: the database cannot be reached, or is locked for too long.
        """
        async with self._told("write"), self._errors_translated(), self._my_turn():
            engine = self._engine.execution_options(begin="BEGIN IMMEDIATE")
            async with engine.begin() as connection:
                yield connection

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """One transaction that only reads. It waits for nobody.

        Raises:
            ServiceUnavailable: the database cannot be reached.
        """
        async with self._told("read"), self._errors_translated(), self._engine.connect() as connection:
            yield connection

    async def migrate(self) -> None:
        """Bring the schema to this version of the code; several processes may do it at once.

        Raises:
            ServiceUnavailable: the database cannot be reached, or is locked for too long.
            EngineUnavailable: a newer version of the code has been here.
        """
        if self.is_sqlite:
            await self._prepare_file()
        if await self.schema() is Schema.CURRENT:
            return
        async with self.writing() as connection:
            if not self.is_sqlite:
                await connection.execute(text("SET LOCAL lock_timeout = '60s'"))
                await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
            # Alembic looks at the revision only now: another process may have been faster.
            await connection.run_sync(_upgrade, _alembic_config())

    async def schema(self) -> Schema:
        """What ``migrate`` would find. Nothing is made or changed for it.

        Raises:
            ServiceUnavailable: the database cannot be reached.
            EngineUnavailable: a newer version of the code has been here.
        """
        if self.is_sqlite and not await asyncio.to_thread(Path(str(self._url.database)).exists):
            return Schema.MISSING
        async with self.reading() as connection:
            revision = await connection.run_sync(_revision)
        if revision is None:
            return Schema.MISSING
        scripts = ScriptDirectory.from_config(_alembic_config())
        if revision == scripts.get_current_head():
            return Schema.CURRENT
        if revision not in {script.revision for script in scripts.walk_revisions()}:
            raise EngineUnavailable(f"The database is of a newer Rayscribe (its schema: {revision}); update this one")
        return Schema.OLDER

    async def close(self) -> None:
        """Close the connections."""
        await self._engine.dispose()

    @contextlib.asynccontextmanager
    async def _my_turn(self) -> AsyncIterator[None]:
        if not self.is_sqlite:
            yield
            return
        try:
            async with asyncio.timeout(self._lock_timeout_s):
                await self._turn.acquire()
        except TimeoutError:
            raise _no_answer() from None
        try:
            yield
        finally:
            self._turn.release()

    @contextlib.asynccontextmanager
    async def _told(self, kind: str) -> AsyncIterator[None]:
        """The body is one transaction. An error that is not the database's is its user's, and no failure."""
        begun_s = self._clock()
        try:
            yield
        except ServiceUnavailable:
            self._signals.count(DATABASE_FAILURES, kind=kind)
            raise
        finally:
            self._signals.observe(DATABASE_TIME, self._clock() - begun_s, kind=kind)

    @contextlib.asynccontextmanager
    async def _errors_translated(self) -> AsyncIterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            if not is_outage(error):
                raise
            log.warning("database does not answer", reason=self._reason(error))
            # `from None`: whoever logs the traceback shall not log what the driver knows about the connection.
            raise _no_answer() from None

    def _reason(self, error: SQLAlchemyError) -> str:
        reason = str(error.orig) if isinstance(error, DBAPIError) else str(error)
        return reason.replace(str(self._url.password), "***") if self._url.password else reason

    async def _prepare_file(self) -> None:
        """Make the file, for this user alone, and turn its write-ahead log on, which it remembers.

        With it readers and the writer do not wait for each other. SQLite refuses to switch while another process looks
        at the file, and does not wait as it does elsewhere.
        """
        path = Path(str(self._url.database))
        if not await asyncio.to_thread(path.exists):
            try:
                await asyncio.to_thread(path.touch, mode=0o600)
            except OSError as error:
                # Connecting would say so, too, but leave a thread behind that may outlive the event loop.
                log.warning("database does not answer", reason=error.strerror)
                raise _no_answer() from None
        give_up_s = time.monotonic() + self._lock_timeout_s
        async with self._errors_translated():
            while True:
                try:
                    async with self._engine.execution_options(begin=None).connect() as connection:
                        await connection.exec_driver_sql("PRAGMA journal_mode=WAL")
                        return
                except OperationalError as error:
                    is_busy = isinstance(error.orig, sqlite3.Error) and error.orig.sqlite_errorcode in _BUSY
                    if not is_busy or time.monotonic() > give_up_s:
                        raise
                await asyncio.sleep(_WAL_RETRY_S)


def _checked(url: str) -> URL:
    parsed = make_url(url)
    if parsed.drivername not in ("sqlite+aiosqlite", "postgresql+psycopg"):
        raise ValueError(
            f"database_url must start with sqlite+aiosqlite:/// or postgresql+psycopg://, not {parsed.drivername}:"
        )
    if parsed.get_backend_name() == "sqlite" and (parsed.database or ":memory:").startswith((":memory:", "file:")):
        raise ValueError("a SQLite database must be a plain file: other processes have to find it")
    return parsed


def _no_answer() -> ServiceUnavailable:
    return ServiceUnavailable("The database does not answer")


def _alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _upgrade(connection: Connection, config: Config) -> None:
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
