"""How connections are made to SQLite and to PostgreSQL, and which of their errors are outages."""

from __future__ import annotations

import logging
import sqlite3
import weakref
from typing import Any

from sqlalchemy import URL, Connection, ExceptionContext, event
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from deployments.errors import EngineUnavailable

# At DEBUG it writes every statement with its parameters: keys' hashes, URLs, transcripts.
logging.getLogger("aiosqlite").setLevel(logging.INFO)

_CONNECTIONS = 5
_MORE_CONNECTIONS_UNDER_LOAD = 5

_POSTGRES_CONNECT_ARGS: dict[str, Any] = {
    # Without these a server that vanished from the network would hold a request for as long as TCP likes: two hours.
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "tcp_user_timeout": 10_000,
    # Of several hosts the one that can write; of one that cannot, after a failover, none.
    "target_session_attrs": "read-write",
}
_READ_ONLY = "25006"
"""The SQLSTATE of a write to a server that became a standby, or whose disk is full."""


class _ClosedWithItsCursors(sqlite3.Connection):
    """Is closed in truth when it is closed, and its transaction is rolled back.

    SQLite keeps a connection whose statements have not ended, and with it the file's write lock or an old view of the
    file. A task that is cancelled while its statement runs leaves such a one, in a traceback that only the garbage
    collector frees.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._cursors = weakref.WeakSet[sqlite3.Cursor]()

    def cursor(self, factory: Any = sqlite3.Cursor) -> Any:
        """See sqlite3.Connection."""
        cursor = super().cursor(factory)
        self._cursors.add(cursor)
        return cursor

    def close(self) -> None:
        """See sqlite3.Connection."""
        for cursor in tuple(self._cursors):
            cursor.close()
        super().close()


def sqlite_engine(url: URL, lock_timeout_s: float) -> AsyncEngine:
    """Of a file. Transactions begin as the execution option ``begin`` says: a statement, or None for none."""
    engine = create_async_engine(
        url,
        hide_parameters=True,
        pool_size=_CONNECTIONS,
        max_overflow=_MORE_CONNECTIONS_UNDER_LOAD,
        pool_timeout=lock_timeout_s,
        # isolation_level None: Python's own idea of when a transaction begins is not ours.
        connect_args={"timeout": lock_timeout_s, "isolation_level": None, "factory": _ClosedWithItsCursors},
    )

    @event.listens_for(engine.sync_engine, "connect")
    def set_up(dbapi_connection: Any, _record: Any) -> None:
        cursor = dbapi_connection.cursor()
        cursor.execute("PRAGMA foreign_keys=ON")
        # Accepted means stored: with NORMAL a power cut takes the last transactions along.
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        statement = connection.get_execution_options().get("begin", "BEGIN")
        if statement is not None:
            connection.exec_driver_sql(statement)

    return engine


def postgres_engine(url: URL, lock_timeout_s: float) -> AsyncEngine:
    """Of a server; its arguments for a connection are those of libpq, and go after what the URL says.

    Raises:
        EngineUnavailable: the driver is not installed.
    """
    server_settings = {
        "lock_timeout": f"{lock_timeout_s * 1000:.0f}",
        # A holder of locks that went silent inside a transaction, as a machine does that lost its network.
        "idle_in_transaction_session_timeout": "60000",
    }
    connect_args = {
        **_POSTGRES_CONNECT_ARGS,
        "options": " ".join(f"-c {name}={value}" for name, value in server_settings.items()),
    }
    try:
        engine = create_async_engine(
            url,
            hide_parameters=True,
            pool_size=_CONNECTIONS,
            max_overflow=_MORE_CONNECTIONS_UNDER_LOAD,
            pool_timeout=lock_timeout_s,
            pool_pre_ping=True,
            # What the URL says of these goes first.
            connect_args={name: value for name, value in connect_args.items() if name not in url.query},
        )
    except ModuleNotFoundError as error:
        raise EngineUnavailable("PostgreSQL needs psycopg: pip install 'rayscribe[postgres]'") from error

    @event.listens_for(engine.sync_engine, "handle_error")
    def leave(context: ExceptionContext) -> None:
        # Its connections are of no use any more; the next ones are to a server that can write.
        if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY:
            context.is_disconnect = True

    return engine


def is_outage(error: SQLAlchemyError) -> bool:
    """Whether trying again later may help; the alternative is a mistake in a statement."""
    if isinstance(error, PoolTimeoutError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    if isinstance(error.orig, sqlite3.Error):
        # Among SQLite's operational errors this one is for statements it cannot make sense of.
        return isinstance(error, OperationalError) and error.orig.sqlite_errorcode != sqlite3.SQLITE_ERROR
    return error.connection_invalidated or isinstance(error, (OperationalError, InterfaceError))
