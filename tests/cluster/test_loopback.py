"""What a service that is for this machine lets others reach."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from serve_app.local_ray import descendants
from tests.cluster.service import RunningService

pytestmark = pytest.mark.cluster


# The kernel cuts names to 15 characters, and psutil cannot always tell the rest.
REPLICA = "ray::ServeReplica"[:15]


def test_what_asks_for_no_token_listens_on_this_machine_alone(service: RunningService) -> None:
    listening = list(_listening())
    assert any(str(address.port) in service.url for _, address in listening)
    beyond = {name for name, address in listening if not _is_of_this_machine(address.ip)}
    # Serve's replicas listen for each other on every address, and ask for the token.
    assert {name for name in beyond if not name.startswith(REPLICA)} == set()


def _listening() -> Iterator[tuple[str, Any]]:
    for process in descendants():
        # One that ends in this moment listens no more.
        with contextlib.suppress(psutil.NoSuchProcess):
            for connection in process.net_connections("inet"):
                if connection.status == psutil.CONN_LISTEN:
                    yield process.name(), connection.laddr


def _is_of_this_machine(address: str) -> bool:
    found = ipaddress.ip_address(address)
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found).is_loopback
