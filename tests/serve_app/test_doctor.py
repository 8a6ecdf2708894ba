from __future__ import annotations

import asyncio
import importlib.metadata
import socket
from pathlib import Path

import pytest
import yaml
from sqlalchemy import text

from deployments.errors import EngineUnavailable
from serve_app.access.keys import KeyStore
from serve_app.access.users import UserStore
from serve_app.doctor import (
    CONSTRAINTS,
    Verdict,
    check_engine,
    check_memory,
    check_packages,
    check_port,
    check_python,
    check_shared_memory,
    check_way_in,
    examine,
    read_pins,
)
from serve_app.settings import Settings, StorageSettings
from serve_app.storage.database import Database
from serve_app.storage.location import database_url

pytestmark = pytest.mark.unit

_GIB = 1024**3


def test_pins_are_read_under_canonical_names(tmp_path: Path) -> None:
    path = tmp_path / "constraints.txt"
    path.write_text("# head\n\nPyYAML==6.0.3\nruamel.yaml_clib==1.0  # why\n")
    assert read_pins(path) == {"pyyaml": "6.0.3", "ruamel-yaml-clib": "1.0"}


def test_this_installation_is_as_pinned() -> None:
    wrong = [finding for finding in check_packages(CONSTRAINTS) if finding.verdict is Verdict.FAILED]
    assert wrong == []


def test_another_version_is_a_warning_that_names_the_pin(tmp_path: Path) -> None:
    path = tmp_path / "constraints.txt"
    path.write_text("numpy==0.1\npluggy==0.2\n")
    found = {finding.name: finding for finding in check_packages(path)}
    numpy, pluggy = importlib.metadata.version("numpy"), importlib.metadata.version("pluggy")
    assert (found["numpy"].verdict, found["numpy"].detail) == (Verdict.WARNING, f"{numpy}, but tested with 0.1")
    assert found["other packages"].detail == f"pluggy {pluggy} (pinned 0.2)"
    assert found["ray"].verdict is Verdict.OK


def test_an_old_python_is_refused() -> None:
    assert [finding.verdict for finding in check_python((3, 10))] == [Verdict.FAILED]
    assert [finding.verdict for finding in check_python((3, 11))] == [Verdict.OK]


def test_little_memory_is_a_warning() -> None:
    assert check_memory(8 * _GIB, 1 * _GIB).verdict is Verdict.WARNING
    assert check_memory(8 * _GIB, 6 * _GIB).verdict is Verdict.OK
    assert "--shm-size" in check_shared_memory(8 * _GIB, 64 * 1024**2).detail
    assert check_shared_memory(8 * _GIB, 4 * _GIB).verdict is Verdict.OK


def test_an_engine_that_cannot_load_fails_with_its_reason() -> None:
    def broken() -> object:
        raise EngineUnavailable("no weights: pip install moonshine-voice")

    finding = check_engine("recognition", broken)
    assert finding.verdict is Verdict.FAILED
    assert finding.detail == "EngineUnavailable: no weights: pip install moonshine-voice"
    assert check_engine("recognition", object).verdict is Verdict.OK


def test_a_port_that_another_program_has_is_a_warning() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        finding = check_port("127.0.0.1", port)
    assert (finding.verdict, finding.name) == (Verdict.WARNING, f"port {port}")
    assert check_port("127.0.0.1", port).detail == "free on 127.0.0.1"


def _settings(**storage: object) -> Settings:
    return Settings(storage=StorageSettings.model_validate(storage))


async def _prepare(settings: Settings, *, key: bool = False) -> None:
    database = Database(database_url(settings.storage))
    await database.migrate()
    if key:
        user = await UserStore(database, settings.access).ensure("ann")
        await KeyStore(database, cache_s=0.0).create(user, "laptop")
    await database.close()


async def _change_revision(settings: Settings, revision: str) -> None:
    database = Database(database_url(settings.storage))
    async with database.writing() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = :it"), {"it": revision})
    await database.close()


async def _revision(settings: Settings) -> str:
    database = Database(database_url(settings.storage))
    async with database.reading() as connection:
        revision: str = (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar_one()
    await database.close()
    return revision


def test_a_service_that_nobody_could_use_fails_and_nothing_is_made(tmp_path: Path) -> None:
    settings = _settings(folder=str(tmp_path))
    assert check_way_in(settings, "127.0.0.1").verdict is Verdict.OK
    finding = check_way_in(settings, "0.0.0.0")
    assert finding.verdict is Verdict.FAILED
    assert "rayscribe keys create" in finding.detail
    assert list(tmp_path.iterdir()) == []
    asyncio.run(_prepare(settings))
    assert check_way_in(settings, "0.0.0.0").verdict is Verdict.FAILED
    asyncio.run(_prepare(settings, key=True))
    assert check_way_in(settings, "0.0.0.0").verdict is Verdict.OK


@pytest.mark.parametrize(
    ("url", "detail"),
    [
        ("postgresql+psycopg://someone:hunter2@127.0.0.1:1/rayscribe", "The database does not answer"),
        ("mysql+aiomysql://someone:hunter2@host/rayscribe", "database_url must start with"),
    ],
)
def test_a_database_that_is_not_there_fails_and_tells_no_password(url: str, detail: str) -> None:
    finding = check_way_in(_settings(database_url=url), "127.0.0.1")
    assert finding.verdict is Verdict.FAILED
    assert detail in finding.detail
    assert "hunter2" not in finding.detail


def test_an_older_schema_is_a_warning_and_stays_as_it_is(tmp_path: Path) -> None:
    settings = _settings(folder=str(tmp_path))
    asyncio.run(_prepare(settings, key=True))
    asyncio.run(_change_revision(settings, "0002"))
    finding = check_way_in(settings, "0.0.0.0")
    assert finding.verdict is Verdict.WARNING
    assert asyncio.run(_revision(settings)) == "0002"
    asyncio.run(_change_revision(settings, "9999"))
    finding = check_way_in(settings, "127.0.0.1")
    assert finding.verdict is Verdict.FAILED
    assert "newer Rayscribe" in finding.detail


def test_the_doctor_looks_at_the_address_that_is_to_be_served(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    arguments = {"storage": {"folder": str(tmp_path / "data")}}
    application = {"name": "rayscribe", "import_path": "serve_app.builder:build_app", "args": arguments}
    path.write_text(yaml.safe_dump({"applications": [application]}))
    verdicts = []
    for host in ("127.0.0.1", "0.0.0.0"):
        found = (finding for finding in examine(host=host, config=path) if finding.name == "database and keys")
        verdicts.append(next(found).verdict)
    assert verdicts == [Verdict.OK, Verdict.FAILED]
