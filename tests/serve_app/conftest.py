from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.listen_server import ListenServer, running_listen_server


@pytest.fixture
def listen_server() -> Iterator[ListenServer]:
    with running_listen_server() as server:
        yield server
