"""Fresh databases, with and without the tables, of both kinds. ``pytest_plugins`` or a conftest makes them fixtures."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from serve_app.storage.database import Database
from tests.fakes.postgres import PostgresServer, find_programs, running_postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    programs = find_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed: no initdb on the PATH or in /usr/lib/postgresql")
    with running_postgres(programs) as server:
        yield server


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "migrated.db"
    asyncio.run(_migrate(_sqlite_url(path)))
    return path


@pytest.fixture(scope="session")
def migrated_database(postgres: PostgresServer) -> str:
    name = postgres.new_database()
    asyncio.run(_migrate(postgres.url(name)))
    return name


@pytest.fixture(params=["sqlite", "postgres"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database that no migration has seen."""
    if request.param == "sqlite":
        return _sqlite_url(tmp_path / "test.db")
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.url(server.new_database())


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database with all tables, for this test alone as long as it runs; what changes tables takes an empty one."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_file"), tmp_path / "test.db")
        return _sqlite_url(tmp_path / "test.db")
    server: PostgresServer = request.getfixturevalue("postgres")
    name: str = request.getfixturevalue("migrated_database")
    server.empty(name)
    return server.url(name)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.close()


def _sqlite_url(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


async def _migrate(url: str) -> None:
    database = Database(url)
    await database.migrate()
    await database.close()
