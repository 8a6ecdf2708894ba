from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.databases import (
    database,
    database_url,
    empty_database_url,
    migrated_database,
    migrated_file,
    postgres,
)
from tests.fakes.listen_server import ListenServer, running_listen_server
from tests.fakes.live_server import LiveServer, running_live_server

__all__ = ["database", "database_url", "empty_database_url", "migrated_database", "migrated_file", "postgres"]


@pytest.fixture
def listen_server() -> Iterator[ListenServer]:
    with running_listen_server() as server:
        yield server


@pytest.fixture
def live_server() -> Iterator[LiveServer]:
    with running_live_server() as server:
        yield server
