from __future__ import annotations

import asyncio
import base64
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deployments.errors import InvalidParameter, SourceForbidden, SourceUnreachable
from serve_app.outbound.client import GuardedClient
from serve_app.outbound.guard import AddressGuard
from serve_app.outbound.urls import parse_http_url
from tests.fakes.certificates import server_context, trusting_context
from tests.fakes.name_service import ScriptedNames
from tests.fakes.scripted_http import by_target, endless, fixed, response, scripted_server

pytestmark = pytest.mark.unit

_LOOPBACK = AddressGuard(allowed_networks=["127.0.0.1/32"])


async def _get(client: GuardedClient, url: str, max_redirects: int = 5) -> bytes:
    try:
        async with client.get(parse_http_url(url), max_redirects) as answer:
            return await answer.read()
    finally:
        await client.close()


async def _send(client: GuardedClient, url: str, timeout_s: float = 10.0) -> int:
    try:
        return (await client.send("POST", url, {"Content-Type": "application/json"}, b"{}", timeout_s)).status
    finally:
        await client.close()


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "LOCALHOST",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "0.0.0.0",
        "[::]",
        "169.254.169.254",
        "10.0.0.1",
        "[fe80::1]",
    ],
)
async def test_addresses_that_are_not_public_are_refused_by_default(host: str) -> None:
    async with scripted_server(fixed(response(200, b"secret"))) as server:
        with pytest.raises(SourceForbidden, match="not on the public internet"):
            await _get(GuardedClient(AddressGuard(), 5.0), f"http://{host}:{server.port}/latest/meta-data")
        with pytest.raises(SourceForbidden):
            await _send(GuardedClient(AddressGuard(), 5.0), f"http://{host}:{server.port}/latest/meta-data")
        assert not server.heard


async def test_a_public_name_for_a_private_address_is_refused() -> None:
    names = ScriptedNames(
        {
            "audio.example": [["127.0.0.1"]],
            "mixed.example": [["10.0.0.1", "127.0.0.1", "::1"]],
            "localhost.": [["127.0.0.1"]],
        }
    )
    async with scripted_server(fixed(response(200))) as server:
        for name in ("audio.example", "mixed.example", "LOCALHOST."):
            with pytest.raises(SourceForbidden):
                await _get(GuardedClient(AddressGuard(), 5.0, resolver=names), f"http://{name}:{server.port}/")
        assert not server.heard


async def test_a_resolver_that_answers_with_a_name_gets_nowhere() -> None:
    # The event loop would resolve it again, after the check.
    names = ScriptedNames({"audio.example": [["localhost"]]})
    async with scripted_server(fixed(response(200))) as server:
        with pytest.raises(SourceForbidden):
            await _get(GuardedClient(_LOOPBACK, 5.0, resolver=names), f"http://audio.example:{server.port}/")


async def test_the_address_that_was_checked_is_the_one_connected_to() -> None:
    names = ScriptedNames({"audio.example": [["127.0.0.1"], ["127.0.0.2"]]})
    async with scripted_server(fixed(response(302, location="/again"))) as server:
        client = GuardedClient(_LOOPBACK, 5.0, resolver=names)
        with pytest.raises(SourceForbidden):
            await _get(client, f"http://audio.example:{server.port}/first")
        # The first connection was made by the first answer; the second answer was looked at as well.
        assert [heard.target for heard in server.heard] == ["/first"]
        assert names.lookups == ["audio.example", "audio.example"]
        assert server.heard[0].headers["host"] == f"audio.example:{server.port}"


async def test_the_other_addresses_of_a_name_are_still_tried() -> None:
    names = ScriptedNames({"audio.example": [["10.0.0.1", "::1", "127.0.0.1"]]})
    async with scripted_server(fixed(response(200, b"audio"))) as server:
        client = GuardedClient(_LOOPBACK, 5.0, resolver=names)
        assert await _get(client, f"http://audio.example:{server.port}/") == b"audio"


async def test_a_host_that_the_operator_named_may_be_anywhere_and_what_it_redirects_to_may_not() -> None:
    names = ScriptedNames({"minio.internal": [["127.0.0.1"]], "other.internal": [["127.0.0.1"]]})
    guard = AddressGuard(allowed_hosts=["minio.internal"])
    async with scripted_server(fixed(b"")) as server:
        answers = by_target(
            {"/a": response(200, b"audio"), "/away": response(307, location=f"//other.internal:{server.port}/a")}
        )
        async with scripted_server(answers) as trusted:
            base = f"http://minio.internal:{trusted.port}"
            assert await _get(GuardedClient(guard, 5.0, resolver=names), f"{base}/a") == b"audio"
            with pytest.raises(SourceForbidden, match=r"other\.internal is not on the public internet"):
                await _get(GuardedClient(guard, 5.0, resolver=names), f"{base}/away")
        assert not server.heard


async def test_a_redirect_to_a_private_address_is_refused() -> None:
    async with scripted_server(fixed(response(302, location="http://169.254.169.254/latest/meta-data"))) as server:
        with pytest.raises(SourceForbidden, match=r"169\.254\.169\.254"):
            await _get(GuardedClient(_LOOPBACK, 5.0), f"http://127.0.0.1:{server.port}/")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_followed_as_often_as_allowed(status: int) -> None:
    pages = {f"/{page}": response(status, location=f"{page + 1}") for page in range(3)} | {
        "/3": response(200, b"audio")
    }
    async with scripted_server(by_target(pages)) as server:
        base = f"http://127.0.0.1:{server.port}"
        assert await _get(GuardedClient(_LOOPBACK, 5.0), f"{base}/0", max_redirects=3) == b"audio"
        with pytest.raises(SourceUnreachable, match="more than 2 redirects"):
            await _get(GuardedClient(_LOOPBACK, 5.0), f"{base}/0", max_redirects=2)


async def test_a_redirect_loop_ends() -> None:
    async with scripted_server(fixed(response(302, location="/"))) as server:
        with pytest.raises(SourceUnreachable, match="more than 5 redirects"):
            await _get(GuardedClient(_LOOPBACK, 5.0), f"http://127.0.0.1:{server.port}/")
        assert len(server.heard) == 6


async def test_what_is_sent_along() -> None:
    async with scripted_server(fixed(response(200, set_cookie="id=1"))) as other:
        there = response(302, location=f"http://127.0.0.1:{other.port}/there", set_cookie="id=1")
        here = response(302, location="/there")
        async with scripted_server(by_target({"/a?b=%2F": here, "/there": there})) as server:
            await _get(GuardedClient(_LOOPBACK, 5.0), f"http://user:p%40ss@127.0.0.1:{server.port}/a?b=%2F#c")
            basic = "Basic " + base64.b64encode(b"user:p@ss").decode()
            assert [heard.target for heard in server.heard] == ["/a?b=%2F", "/there"]
            assert [heard.headers.get("authorization") for heard in server.heard] == [basic, basic]
            assert "authorization" not in other.heard[0].headers
            assert "cookie" not in other.heard[0].headers
            assert "referer" not in other.heard[0].headers
            assert server.heard[0].headers["accept-encoding"] == "identity"


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with scripted_server(fixed(response(200))) as proxy, scripted_server(fixed(response(200))) as server:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        await _get(GuardedClient(_LOOPBACK, 5.0), f"http://127.0.0.1:{server.port}/")
        assert not proxy.heard


async def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    names = ScriptedNames({"audio.example": [["127.0.0.1"]]})
    async with scripted_server(fixed(response(200)), server_context("audio.example", tmp_path)) as server:
        with pytest.raises(SourceUnreachable, match=r"certificate of audio\.example could not be verified"):
            await _get(GuardedClient(_LOOPBACK, 5.0, resolver=names), f"https://audio.example:{server.port}/")
        assert not server.heard


async def test_the_certificate_must_be_for_the_name_in_the_url(tmp_path: Path) -> None:
    names = ScriptedNames({"audio.example": [["127.0.0.1"]], "other.example": [["127.0.0.1"]]})
    async with scripted_server(fixed(response(200, b"audio")), server_context("audio.example", tmp_path)) as server:

        def client() -> GuardedClient:
            return GuardedClient(_LOOPBACK, 5.0, resolver=names, tls=trusting_context(tmp_path))

        assert await _get(client(), f"https://audio.example:{server.port}/") == b"audio"
        for other in ("other.example", "127.0.0.1"):
            with pytest.raises(SourceUnreachable, match="could not be verified"):
                await _get(client(), f"https://{other}:{server.port}/")


async def test_tls_to_a_server_without_it() -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 ready\r\n")
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(SourceUnreachable, match="no secure connection"):
            await _get(GuardedClient(_LOOPBACK, 5.0), f"https://127.0.0.1:{port}/")


async def test_names_and_ports_where_nobody_is() -> None:
    async with scripted_server(fixed(b"")) as gone:
        pass
    with pytest.raises(SourceUnreachable, match="no connection"):
        await _get(GuardedClient(_LOOPBACK, 5.0), f"http://127.0.0.1:{gone.port}/")
    with pytest.raises(SourceUnreachable, match=r"name no\.example could not be resolved"):
        await _get(GuardedClient(_LOOPBACK, 5.0, resolver=ScriptedNames({})), "http://no.example/")


async def test_a_look_up_takes_no_thread_that_others_wait_for() -> None:
    busy = threading.Event()
    one_thread = ThreadPoolExecutor(1)
    asyncio.get_running_loop().set_default_executor(one_thread)
    one_thread.submit(busy.wait)
    try:
        async with scripted_server(fixed(response(200, b"audio"))) as server:
            guard = AddressGuard(allowed_hosts=["localhost"])
            assert await _get(GuardedClient(guard, 5.0), f"http://localhost:{server.port}/") == b"audio"
    finally:
        busy.set()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HELO\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"a" * 100_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\naudio\r\n",
        response(200, b"audio", content_length="6"),
        response(200, b"not gzip", content_encoding="gzip"),
    ],
)
async def test_broken_answers(answer: bytes) -> None:
    async with scripted_server(fixed(answer)) as server:
        with pytest.raises(SourceUnreachable, match=r"127\.0\.0\.1"):
            await _get(GuardedClient(_LOOPBACK, 5.0), f"http://127.0.0.1:{server.port}/?token=t0ken")


async def test_silence_between_two_chunks_is_bounded() -> None:
    async with scripted_server(endless(response(200, content_length="10"), b"a", 600.0)) as server:
        with pytest.raises(SourceUnreachable, match="did not answer in time"):
            await _get(GuardedClient(_LOOPBACK, 0.1), f"http://127.0.0.1:{server.port}/")


async def test_send_answers_the_status_and_follows_nothing() -> None:
    async with scripted_server(fixed(response(302, b"x" * 10, location="/elsewhere"))) as server:
        assert await _send(GuardedClient(_LOOPBACK, 5.0), f"http://user:pass@127.0.0.1:{server.port}/hook?x=1") == 302
        (heard,) = server.heard
        assert (heard.method, heard.target, heard.body) == ("POST", "/hook?x=1", b"{}")
        assert heard.headers["content-type"] == "application/json"
        assert heard.headers["authorization"].startswith("Basic ")


async def test_send_does_not_wait_for_a_body() -> None:
    async with scripted_server(endless(response(200, content_length="999999999"), b"a" * 65536, 0.01)) as server:
        assert await _send(GuardedClient(_LOOPBACK, 5.0), f"http://127.0.0.1:{server.port}/") == 200
        await asyncio.wait_for(server.hung_up.wait(), 10)


async def test_send_has_one_time_limit_for_everything() -> None:
    async with scripted_server(endless(b"HTTP/1.1 200 OK\r\nX: ", b"a", 0.01)) as server:
        with pytest.raises(SourceUnreachable, match="did not answer in time"):
            await _send(GuardedClient(_LOOPBACK, 5.0), f"http://127.0.0.1:{server.port}/", timeout_s=0.2)


async def test_send_takes_only_http_urls() -> None:
    client = GuardedClient(_LOOPBACK, 5.0)
    with pytest.raises(SourceForbidden):
        await _send(client, "s3://bucket/key")
    with pytest.raises(InvalidParameter):
        await _send(client, "somewhere")


async def test_a_message_of_an_error_holds_no_part_of_the_url_but_the_host() -> None:
    async with scripted_server(fixed(b"")) as server:
        secret = f"http://us3r:passw0rd@127.0.0.1:{server.port}/p4th?token=t0ken"
        for guard in (AddressGuard(), _LOOPBACK):
            with pytest.raises((SourceForbidden, SourceUnreachable)) as caught:
                await _get(GuardedClient(guard, 5.0), secret)
            assert caught.value.__suppress_context__
            shown = f"{caught.value} {caught.value!r} {caught.value.args}"
            assert not any(part in shown for part in ("us3r", "passw0rd", "p4th", "t0ken"))
