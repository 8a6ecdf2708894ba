from __future__ import annotations

import pytest

from deployments.errors import SourceForbidden
from serve_app.outbound.client import GuardedClient
from serve_app.outbound.guard import AddressGuard
from serve_app.outbound.urls import parse_http_url
from tests.fakes.name_service import ScriptedNames
from tests.fakes.scripted_http import fixed, response, scripted_server

pytestmark = pytest.mark.unit


async def test_what_one_caller_is_given_to_keep_is_not_sent_with_the_next() -> None:
    names = ScriptedNames({"audio.example": [["127.0.0.1"]]})
    async with scripted_server(fixed(response(200, b"audio", set_cookie="session=ann"))) as server:
        client = GuardedClient(AddressGuard(allowed_networks=["127.0.0.1/32"]), 5.0, resolver=names)
        for _ in range(2):
            async with client.get(parse_http_url(f"http://audio.example:{server.port}/"), 0) as answer:
                await answer.read()
        await client.close()
    assert [heard.headers.get("cookie") for heard in server.heard] == [None, None]


async def test_a_trusted_host_opens_no_door_for_others() -> None:
    names = ScriptedNames({"minio.internal": [["127.0.0.1"]], "other.example": [["127.0.0.1"]]})
    async with scripted_server(fixed(response(200, b"audio"))) as server:
        client = GuardedClient(AddressGuard(allowed_hosts=["minio.internal"]), 5.0, resolver=names)
        async with client.get(parse_http_url(f"http://minio.internal:{server.port}/"), 0) as answer:
            await answer.read()
        with pytest.raises(SourceForbidden):
            async with client.get(parse_http_url(f"http://other.example:{server.port}/"), 0):
                pass
        await client.close()
