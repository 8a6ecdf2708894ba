"""What a service that is for this machine lets others reach."""

from __future__ import annotations

import ipaddress

import psutil
import pytest

from serve_app.local_ray import descendants
from tests.cluster.service import RunningService

pytestmark = pytest.mark.cluster


def test_nothing_of_ray_listens_beyond_this_machine(service: RunningService) -> None:
    listening = [
        (process.name(), connection.laddr)
        for process in descendants()
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert any(str(address.port) in service.url for _, address in listening)
    assert [found for found in listening if not _of_this_machine(found[1].ip)] == []


def _of_this_machine(address: str) -> bool:
    found = ipaddress.ip_address(address)
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found).is_loopback
