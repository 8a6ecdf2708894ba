from __future__ import annotations

import json

import pytest

from tests.fakes.asgi_socket import asgi_socket
from tests.fakes.edge import Edge

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("method", "path", "status", "form"),
    [
        ("POST", "/v1/audio/translations", 404, ("error", "message")),
        ("GET", "/v1/audio/transcriptions", 405, ("error", "message")),
        ("GET", "/stt", 405, ("message",)),
        ("GET", "/waves/v1/none", 404, ("error",)),
        ("GET", "/v1/listen", 405, ("error",)),
        ("GET", "/nothing", 404, ("error",)),
        ("GET", "/sttx", 404, ("error",)),
    ],
)
async def test_what_is_not_offered_is_told_in_the_form_of_its_api(
    edge: Edge, method: str, path: str, status: int, form: tuple[str, ...]
) -> None:
    response = await edge.client.request(method, path)
    told = response.json()
    for name in form:
        told = told[name]
    assert (response.status_code, f"{method} {path} is not offered" in told) == (status, True)
    assert response.headers.get("allow") == ("POST" if status == 405 else None)


@pytest.mark.parametrize("path", ["/v1/realtime", "/ws/stt", "/waves/v1/stt/live", "/v1/listen/stream"])
async def test_a_socket_without_an_upgrade_says_so(edge: Edge, path: str) -> None:
    response = await edge.client.get(path)
    assert (response.status_code, response.headers["upgrade"]) == (426, "websocket")
    assert "WebSocket" in json.dumps(response.json())


@pytest.mark.parametrize(
    ("path", "part", "name"),
    [("/v1/listen", "audio", "diarize"), ("/stt", "file", "language"), ("/v1/audio/transcriptions", "file", "stream")],
)
async def test_a_field_in_the_url_is_not_dropped(edge: Edge, path: str, part: str, name: str) -> None:
    files = {part: b"some audio"}
    refused = await edge.client.post(path, params={name: "true"}, files=files, data={"model": "any"})
    assert refused.status_code == 400
    assert f"{name}: goes into the body, not into the URL" in refused.text
    assert not edge.pipeline.requests
    taken = await edge.client.post(
        path, params={"api-version": "1"}, files=files, data={"model": "any"} if path.startswith("/v1/audio") else {}
    )
    assert taken.status_code == 200


@pytest.mark.parametrize("path", ["/health", "/healthz", "/api/v1/health"])
async def test_a_probe_may_ask_for_the_head_alone(edge: Edge, path: str) -> None:
    assert (await edge.client.head(path)).status_code == 200


@pytest.mark.parametrize(
    ("path", "part"),
    [("/v1/listen/", "audio"), ("/stt/", "file"), ("/v1/audio/transcriptions/", "file"), ("/stt//", "file")],
)
async def test_a_slash_at_the_end_makes_no_difference(edge: Edge, path: str, part: str) -> None:
    data = {"model": "any"} if path.startswith("/v1/audio") else {}
    assert (await edge.client.post(path, files={part: b"some audio"}, data=data)).status_code == 200
    assert edge.pipeline.audio == [b"some audio"]


@pytest.mark.parametrize("path", ["/waves/v1/stt", "/waves/v1/stt/", "/waves/v1/pulse/get_text/"])
async def test_nor_does_it_for_waves(edge: Edge, path: str) -> None:
    assert (await edge.client.post(path, params={"model": "pulse"}, content=b"RIFF")).status_code == 200


async def test_a_path_with_a_slash_that_is_not_offered_is_told_so(edge: Edge) -> None:
    assert (await edge.client.get("/v1/models/")).status_code == 200
    assert (await edge.client.get("/stt/")).status_code == 405
    assert (await edge.client.get("/v1/realtime/")).status_code == 426
    assert (await edge.client.post("/v1/audio/translations/")).status_code == 404


async def test_a_sockets_path_may_end_with_a_slash(edge: Edge) -> None:
    async with asgi_socket(edge.app, "/v1/realtime/?intent=transcription") as socket:
        assert (await socket.read())["type"] == "session.created"
