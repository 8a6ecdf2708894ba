from __future__ import annotations

import pytest
from starlette.requests import HTTPConnection

from serve_app.access.credentials import credential_of

pytestmark = pytest.mark.unit


def key(
    authorization: str | None = None, query: str = "", kind: str = "http", protocols: tuple[str, ...] = ()
) -> str | None:
    headers = [(b"authorization", authorization.encode())] if authorization is not None else []
    scope = {"type": kind, "headers": headers, "query_string": query.encode(), "subprotocols": list(protocols)}
    return credential_of(HTTPConnection(scope))


@pytest.mark.parametrize("scheme", ["Token", "token", "Bearer", "BEARER"])
def test_the_header_of_either_scheme(scheme: str) -> None:
    assert key(f"{scheme} rs_1") == "rs_1"
    assert key(f"{scheme}   rs_1 ") == "rs_1"


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ", "Basic rs_1", "rs_1"])
def test_no_key(authorization: str | None) -> None:
    assert key(authorization) is None


@pytest.mark.parametrize("query", ["token=rs_1", "apiKey=rs_1", "model=pulse&token=rs_1"])
def test_a_socket_may_bring_it_in_the_url_and_a_request_may_not(query: str) -> None:
    assert key(query=query, kind="websocket") == "rs_1"
    assert key(query=query) is None


def test_the_header_goes_before_the_url() -> None:
    assert key("Bearer rs_1", "token=rs_2", "websocket") == "rs_1"


def test_a_socket_may_bring_it_as_a_subprotocol_and_a_request_may_not() -> None:
    protocols = ("realtime", "openai-insecure-api-key.rs_1", "openai-beta.realtime-v1")
    assert key(kind="websocket", protocols=protocols) == "rs_1"
    assert key(protocols=protocols) is None
    assert key(kind="websocket", protocols=("openai-insecure-api-key.",)) is None
