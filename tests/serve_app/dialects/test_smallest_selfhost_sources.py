"""Where the self-hosted API takes audio from, and how much of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from deployments.errors import SourceForbidden, SourceUnreachable
from tests.fakes.edge import Edge
from tests.serve_app.dialects.smallest_selfhost import listen

pytestmark = pytest.mark.unit

MISSING = {"error": "Missing required parameter: url or audio file", "code": "MISSING_PARAMETER"}


@pytest.mark.parametrize(
    "request_parts",
    [
        {},
        {"content": b""},
        {"content": b"RIFF....", "headers": {"content-type": "audio/wav"}},
        {"json": {}},
        {"json": {"language": "en"}},
        {"files": {"language": (None, "en")}},
    ],
)
async def test_a_request_without_audio_says_so(edge: Edge, request_parts: dict[str, Any]) -> None:
    response = await edge.client.post("/v1/listen", **request_parts)
    assert (response.status_code, response.json()) == (400, MISSING)


async def test_a_json_body_is_not_read_without_end(edge: Edge) -> None:
    read = read_when_refused = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        while read < 500_000_000:
            read += 10_000
            yield b" " * 10_000

    async def noting(scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            nonlocal read_when_refused
            if message["type"] == "http.response.start":
                read_when_refused = read
            await send(message)

        await edge.app(scope, receive, sent)

    transport = httpx.ASGITransport(noting)
    async with httpx.AsyncClient(transport=transport, base_url=edge.client.base_url) as client:
        response = await client.post("/v1/listen", content=body(), headers={"content-type": "application/json"})
    assert response.status_code == 400
    assert 0 < read_when_refused < 1_000_000
    # The rest is thrown away, so that the client hears the refusal.
    assert read < 35_000_000


URL = "https://example.com/a.wav"


async def test_a_url_is_fetched(edge: Edge) -> None:
    edge.sources.files[URL] = b"fetched"
    response = await edge.client.post("/v1/listen", json={"url": URL, "timestamps": True, "num_speakers": None})
    assert response.status_code == 200
    assert edge.pipeline.audio == [b"fetched"]
    assert "words" in response.json()


async def test_a_url_may_come_in_a_form(edge: Edge) -> None:
    edge.sources.files[URL] = b"fetched"
    response = await edge.client.post("/v1/listen", files={"url": (None, URL)})
    assert response.status_code == 200
    assert edge.pipeline.audio == [b"fetched"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SourceForbidden("the address is private"), "URL_NOT_ALLOWED"),
        (SourceUnreachable("example.com does not answer"), "URL_FETCH_FAILED"),
    ],
)
async def test_a_url_that_cannot_be_fetched_is_a_400_that_says_why(edge: Edge, error: Exception, code: str) -> None:
    edge.sources.error = error  # type: ignore[assignment]
    response = await edge.client.post("/v1/listen", json={"url": URL})
    assert (response.status_code, response.json()["code"]) == (400, code)


async def test_a_wrong_parameter_is_found_before_the_url_is_fetched(edge: Edge) -> None:
    response = await edge.client.post("/v1/listen", json={"url": URL, "language": "de"})
    assert response.status_code == 400
    assert edge.sources.fetched == []


async def test_url_and_audio_together_are_refused(edge: Edge) -> None:
    response = await listen(edge, url="https://example.com/a.wav")
    assert response.status_code == 400
    assert "together" in response.json()["error"]


async def test_audio_without_a_filename_is_audio(edge: Edge) -> None:
    response = await edge.client.post("/v1/listen", files={"audio": (None, b"RIFF")})
    assert (response.status_code, edge.pipeline.audio) == (200, [b"RIFF"])


async def test_a_part_given_twice_is_refused(edge: Edge) -> None:
    response = await edge.client.post("/v1/listen", files=[("audio", b"one"), ("audio", b"two")])
    assert response.status_code == 400


async def test_a_broken_form_is_refused(edge: Edge) -> None:
    response = await edge.client.post(
        "/v1/listen", content=b"no boundary here", headers={"content-type": "multipart/form-data; boundary=x"}
    )
    assert response.status_code == 400


TOO_LARGE = {"error": "Audio file too large", "code": "FILE_TOO_LARGE", "max_size_mb": 0}


async def test_a_file_of_exactly_the_limit_is_taken(edge: Edge) -> None:
    assert (await listen(edge, b"x" * 10_000)).status_code == 200


async def test_one_byte_over_the_limit_is_refused(edge: Edge) -> None:
    response = await listen(edge, b"x" * 10_001)
    assert (response.status_code, response.json()) == (422, TOO_LARGE)


async def test_a_declared_length_over_the_limit_is_refused_before_reading(edge: Edge) -> None:
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        while read < 5_000_000:
            read += 1000
            yield b"x" * 1000

    headers = {"content-type": "multipart/form-data; boundary=x", "content-length": "5000000"}
    response = await edge.client.post("/v1/listen", content=body(), headers=headers)
    assert (response.status_code, response.json()) == (422, TOO_LARGE)
    assert read == 0


async def test_a_chunked_upload_is_stopped_at_the_limit(edge: Edge) -> None:
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        yield b'--x\r\nContent-Disposition: form-data; name="audio"; filename="a"\r\n\r\n'
        while read < 50_000_000:
            read += 10_000
            yield b"x" * 10_000

    headers = {"content-type": "multipart/form-data; boundary=x"}
    response = await edge.client.post("/v1/listen", content=body(), headers=headers)
    assert (response.status_code, response.json()) == (422, TOO_LARGE)
    assert read < 2_000_000


async def test_a_callback_that_cannot_be_called_is_told_before_audio_is_fetched(edge: Edge) -> None:
    body = {"url": "https://example.com/a.wav", "callback_url": "ftp://x/"}
    response = await edge.client.post("/v1/listen", json=body)
    assert (response.status_code, response.json()["parameter"]) == (400, "callback_url")
    assert not edge.sources.fetched


async def test_json_that_does_not_say_so_is_told_what_to_say(edge: Edge) -> None:
    """As curl sends it by default."""
    headers = {"content-type": "application/x-www-form-urlencoded"}
    response = await edge.client.post("/v1/listen", content='{"url":"https://example.com/a.wav"}', headers=headers)
    assert response.status_code == 400
    assert "Content-Type: application/json" in response.text
