"""What a service that is for this machine lets others reach."""

from __future__ import annotations

import ipaddress

import psutil
import pytest

from serve_app.local_ray import descendants
from tests.cluster.service import RunningService

pytestmark = pytest.mark.cluster


def test_what_asks_for_no_token_listens_on_this_machine_alone(service: RunningService) -> None:
    listening = [
        (process.name(), connection.laddr)
        for process in descendants()
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert any(str(address.port) in service.url for _, address in listening)
    beyond = {name for name, address in listening if not _is_of_this_machine(address.ip)}
    # Serve's replicas listen for each other on every address, and ask for the token.
    assert {name for name in beyond if not name.startswith("ray::ServeReplica")} == set()


def _is_of_this_machine(address: str) -> bool:
    found = ipaddress.ip_address(address)
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found).is_loopback
