from __future__ import annotations

import pytest

from serve_app.access.keys import KeyStore
from serve_app.access.users import User, UserStore
from serve_app.settings import AccessSettings
from serve_app.storage.database import Database
from tests.fakes.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def keys(database: Database, clock: FakeClock) -> KeyStore:
    return KeyStore(database, cache_s=5.0, clock=clock)


@pytest.fixture
async def ann(database: Database) -> User:
    return await UserStore(database, AccessSettings()).ensure("ann")
