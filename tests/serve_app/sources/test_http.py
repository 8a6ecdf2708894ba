from __future__ import annotations

import asyncio
import gzip
import logging
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.errors import (
    AudioTooLarge,
    InvalidParameter,
    RayscribeError,
    SourceForbidden,
    SourceRefused,
    SourceUnreachable,
)
from serve_app.settings import SourceSettings
from serve_app.sources.byte_collector import ByteCollector
from serve_app.sources.fetcher import AudioFetcher
from tests.fakes.scripted_http import Answer, endless, fixed, response, scripted_server

pytestmark = pytest.mark.unit

_LOOPBACK = SourceSettings(allowed_networks=("127.0.0.0/8",), connect_timeout_s=5.0, max_fetch_s=30.0)
_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def _fetch(
    answer: Answer, *, max_bytes: int = 1_000_000, settings: SourceSettings = _LOOPBACK, path: str = "/a.wav"
) -> bytes:
    fetcher = AudioFetcher(settings, max_bytes, any_bucket=False)
    async with scripted_server(answer) as server:
        try:
            return (await fetcher.fetch(f"http://127.0.0.1:{server.port}{path}")).tobytes()
        finally:
            await fetcher.close()


async def test_audio_comes_as_bytes() -> None:
    body = np.random.default_rng(1).bytes(300_000)
    fetcher = AudioFetcher(_LOOPBACK, 300_000, any_bucket=False)
    async with scripted_server(fixed(response(200, body))) as server:
        audio = await fetcher.fetch(f"http://127.0.0.1:{server.port}/")
    await fetcher.close()
    assert audio.dtype == np.uint8
    assert audio.tobytes() == body


async def test_an_html_page_is_left_to_the_decoder() -> None:
    assert await _fetch(fixed(response(200, b"<html>", content_type="text/html"))) == b"<html>"


async def test_an_empty_body_is_left_to_the_decoder() -> None:
    assert await _fetch(fixed(response(200))) == b""


async def test_a_body_without_a_length_ends_with_the_connection() -> None:
    assert await _fetch(fixed(b"HTTP/1.1 200 OK\r\n\r\naudio")) == b"audio"


@pytest.mark.parametrize(("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_a_body_that_comes_compressed_unasked_is_unpacked(
    encoding: str, compress: Callable[[bytes], bytes]
) -> None:
    packed = compress(b"audio" * 1000)
    assert await _fetch(fixed(response(200, packed, content_encoding=encoding))) == b"audio" * 1000


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 429])
async def test_a_refusal_keeps_its_status(status: int) -> None:
    with pytest.raises(SourceRefused, match=rf"^Cannot fetch the audio: 127\.0\.0\.1 answered with status {status}$"):
        await _fetch(fixed(response(status, b"no")))


@pytest.mark.parametrize("status", [300, 304, 500, 502, 503])
async def test_a_failure_of_the_server_is_no_refusal(status: int) -> None:
    with pytest.raises(SourceUnreachable, match=f"status {status}"):
        await _fetch(fixed(response(status)))


@pytest.mark.parametrize("url", ["ftp://h/a.wav", "file:///etc/passwd", "gopher://h/"])
async def test_other_schemes_are_forbidden(url: str) -> None:
    with pytest.raises(SourceForbidden):
        await AudioFetcher(_LOOPBACK, 10, any_bucket=True).fetch(url)


@pytest.mark.parametrize("url", ["", "a.wav", "http://", "s3://", "s3://bucket", "s3://bucket/", "s3://a:b@c/key"])
async def test_what_is_no_url(url: str) -> None:
    with pytest.raises(InvalidParameter):
        await AudioFetcher(_LOOPBACK, 10, any_bucket=True).fetch(url)


async def test_private_addresses_are_refused_unless_the_settings_allow_them() -> None:
    with pytest.raises(SourceForbidden, match="not on the public internet"):
        await _fetch(fixed(response(200)), settings=SourceSettings())
    named = SourceSettings(allowed_hosts=("127.0.0.1",))
    assert await _fetch(fixed(response(200, b"audio")), settings=named) == b"audio"


async def test_the_byte_limit_is_exact() -> None:
    assert await _fetch(fixed(response(200, b"a" * 1000)), max_bytes=1000) == b"a" * 1000
    with pytest.raises(AudioTooLarge) as caught:
        await _fetch(fixed(response(200, b"a" * 1001)), max_bytes=1000)
    assert caught.value.max_bytes == 1000


async def test_a_caller_may_lower_the_byte_limit_and_not_raise_it() -> None:
    fetcher = AudioFetcher(_LOOPBACK, 1000, any_bucket=False)
    async with scripted_server(fixed(response(200, b"a" * 900))) as server:
        for lower in (899, 0):
            with pytest.raises(AudioTooLarge, match=f"larger than {lower} bytes"):
                await fetcher.fetch(f"http://127.0.0.1:{server.port}/", lower)
    async with scripted_server(fixed(response(200, b"a" * 1001))) as server:
        with pytest.raises(AudioTooLarge, match="larger than 1000 bytes"):
            await fetcher.fetch(f"http://127.0.0.1:{server.port}/", 5000)
    await fetcher.close()


async def test_a_declared_length_over_the_limit_is_refused_before_the_body() -> None:
    with pytest.raises(AudioTooLarge):
        # Nothing comes after the head, so reading would time out.
        await _fetch(endless(response(200, content_length="1001"), b"", 600.0), max_bytes=1000)


async def test_an_endless_body_is_cut_off_at_the_byte_limit() -> None:
    fetcher = AudioFetcher(_LOOPBACK, 100_000, any_bucket=False)
    async with scripted_server(endless(_CHUNKED, b"400\r\n" + b"a" * 1024 + b"\r\n", 0.0)) as server:
        with pytest.raises(AudioTooLarge):
            await fetcher.fetch(f"http://127.0.0.1:{server.port}/")
        await asyncio.wait_for(server.hung_up.wait(), 10)
    await fetcher.close()


async def test_a_small_packed_body_counts_unpacked() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    assert len(bomb) < 100_000
    with pytest.raises(AudioTooLarge):
        await _fetch(fixed(response(200, bomb, content_encoding="gzip")), max_bytes=1_000_000)


async def test_a_body_that_is_shorter_than_declared_is_not_taken_for_audio() -> None:
    with pytest.raises(SourceUnreachable, match="broke off"):
        await _fetch(fixed(response(200, b"audio", content_length="6")))


async def test_a_body_that_is_longer_than_declared_is_not_taken_for_audio() -> None:
    with pytest.raises(SourceUnreachable, match="did not answer as HTTP servers do"):
        await _fetch(fixed(response(200, b"audio and more", content_length="5")))


async def test_a_slow_drip_ends_at_the_time_limit() -> None:
    settings = _LOOPBACK.model_copy(update={"max_fetch_s": 0.3})
    fetcher = AudioFetcher(settings, 1000, any_bucket=False)
    async with scripted_server(endless(_CHUNKED, b"1\r\na\r\n", 0.01)) as server:
        with pytest.raises(SourceUnreachable, match=r"longer than 0\.3 s"):
            await fetcher.fetch(f"http://127.0.0.1:{server.port}/")
        await asyncio.wait_for(server.hung_up.wait(), 10)
    await fetcher.close()


async def test_the_time_limit_holds_over_redirects() -> None:
    async def redirect_slowly(_: object, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.1)
        writer.write(response(302, location="/next"))

    settings = _LOOPBACK.model_copy(update={"max_fetch_s": 0.3, "max_redirects": 1000})
    with pytest.raises(SourceUnreachable, match="longer than"):
        await _fetch(redirect_slowly, settings=settings)


async def test_cancelling_closes_the_connection() -> None:
    fetcher = AudioFetcher(_LOOPBACK, 1_000_000, any_bucket=False)
    async with scripted_server(endless(_CHUNKED, b"1\r\na\r\n", 0.01)) as server:
        fetching = asyncio.create_task(fetcher.fetch(f"http://127.0.0.1:{server.port}/"))
        await asyncio.wait_for(server.called.wait(), 10)
        fetching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fetching
        await asyncio.wait_for(server.hung_up.wait(), 10)
    await fetcher.close()


@pytest.mark.parametrize(
    "answer",
    [
        response(403),
        response(500),
        b"",
        b"junk\r\n\r\n",
        response(200, b"a" * 2000),
        response(200, content_length="9"),
        response(302, location="http://us3r:passw0rd@10.0.0.1/p4th?token=t0ken"),
        response(302, location="ftp://t0ken"),
    ],
)
async def test_errors_and_logs_hold_no_part_of_the_url_but_the_host(
    answer: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    fetcher = AudioFetcher(_LOOPBACK, 1000, any_bucket=False)
    with caplog.at_level(logging.DEBUG):
        async with scripted_server(fixed(answer)) as server:
            try:
                await fetcher.fetch(f"http://us3r:passw0rd@127.0.0.1:{server.port}/p4th?token=t0ken")
            except RayscribeError as error:
                shown = f"{error} {error!r}"
                logging.getLogger("service").exception("fetch failed")
        await fetcher.close()
    assert "Traceback" in caplog.text
    # Source lines of this test are part of the traceback; the URL as it was sent is not.
    assert not any(part in shown for part in ("us3r", "passw0rd", "p4th", "t0ken"))
    assert f"@127.0.0.1:{server.port}" not in caplog.text
    assert "@10.0.0.1" not in caplog.text


@given(st.lists(st.binary(max_size=20)), st.integers(0, 100))
def test_collected_bytes_are_all_or_too_many(chunks: list[bytes], max_bytes: int) -> None:
    collected = ByteCollector(max_bytes)
    whole = b"".join(chunks)
    try:
        for chunk in chunks:
            collected.add(chunk)
    except AudioTooLarge:
        assert len(whole) > max_bytes
    else:
        assert collected.array().tobytes() == whole
        assert len(whole) <= max_bytes
