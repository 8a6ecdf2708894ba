"""Bodies that come slowly, in part, or never, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from starlette.requests import Request

from deployments.errors import BodyTooSlow, InvalidParameter
from serve_app.settings import LimitSettings
from serve_app.uploads import read_form, read_json, read_raw
from tests.fakes.virtual_time import run_virtually, virtually

pytestmark = pytest.mark.unit

LIMITS = LimitSettings(body_silence_s=30, request_timeout_s=100)
FORM = (
    b'--b\r\nContent-Disposition: form-data; name="audio"; filename="a.wav"\r\n\r\nRIFF\r\n'
    b'--b\r\nContent-Disposition: form-data; name="diarize"\r\n\r\ntrue\r\n--b--\r\n'
)

Reader = Callable[[Request], Awaitable[Any]]
READERS: dict[str, Reader] = {
    "form": lambda request: read_form(request, LIMITS, "audio", 1000),
    "json": lambda request: read_json(request, LIMITS),
    "raw": lambda request: read_raw(request, LIMITS, 1000),
}


async def pieces(*sizes: int, every_s: float) -> AsyncIterator[bytes]:
    for size in sizes:
        await asyncio.sleep(every_s)
        yield bytes(size)


async def for_ever() -> AsyncIterator[bytes]:
    await asyncio.Event().wait()
    yield b""


def request(body: AsyncIterator[bytes], content_type: str = "multipart/form-data; boundary=b") -> Request:
    async def receive() -> dict[str, Any]:
        chunk = await anext(body, None)
        return {"type": "http.request", "body": chunk or b"", "more_body": chunk is not None}

    headers = [(b"content-type", content_type.encode())]
    return Request({"type": "http", "method": "POST", "headers": headers}, receive)


def form(text: bytes, content_type: str = "multipart/form-data; boundary=b") -> Request:
    async def at_once() -> AsyncIterator[bytes]:
        yield text

    return request(at_once(), content_type)


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_a_body_that_stops_coming_is_given_up(reader: Reader) -> None:
    async def main() -> None:
        begun_s = asyncio.get_running_loop().time()
        with pytest.raises(BodyTooSlow):
            await reader(request(for_ever()))
        assert asyncio.get_running_loop().time() - begun_s == pytest.approx(30)

    run_virtually(main)


@virtually
async def test_a_body_that_hardly_comes_is_given_up_in_the_end() -> None:
    begun_s = asyncio.get_running_loop().time()
    with pytest.raises(BodyTooSlow):
        await read_raw(request(pieces(*[1] * 50, every_s=20)), LIMITS, 1000)
    assert asyncio.get_running_loop().time() - begun_s == pytest.approx(100)


@virtually
async def test_a_slow_line_is_no_fault() -> None:
    assert (await read_raw(request(pieces(*[10] * 4, every_s=20)), LIMITS, 1000)).size == 40


@pytest.mark.parametrize("form_text", [FORM, FORM.removesuffix(b"\r\n")], ids=["whole", "without the last line break"])
async def test_a_whole_form_is_read(form_text: bytes) -> None:
    read = await read_form(form(form_text), LIMITS, "audio", 1000)
    assert (read.fields, None if read.audio is None else read.audio.tobytes()) == ({"diarize": "true"}, b"RIFF")


@pytest.mark.parametrize(
    "disposition",
    [
        b'form-data; name="audio"',
        b"form-data; name=\"audio\"; filename*=UTF-8''%C3%A4.wav",
        b'form-data; name="audio"; filename=""',
        b"form-data; name=older",
    ],
)
async def test_the_audio_part_is_a_file_whatever_it_says_of_itself(disposition: bytes) -> None:
    samples = bytes(range(256)) * 8192
    text = FORM.replace(b'form-data; name="audio"; filename="a.wav"', disposition).replace(b"RIFF", samples)
    read = await read_form(form(text), LIMITS, "audio", 4 * 1024**2, older_audio_parts=frozenset({"older"}))
    assert read.audio is not None
    assert (read.fields, read.audio.tobytes()) == ({"diarize": "true"}, samples)


@pytest.mark.parametrize("missing_bytes", [4, 12, 40, 90])
async def test_a_form_that_breaks_off_is_not_served_in_part(missing_bytes: int) -> None:
    with pytest.raises(InvalidParameter, match="body"):
        await read_form(form(FORM[:-missing_bytes]), LIMITS, "audio", 1000)


@pytest.mark.parametrize("charset", ["punycode", "undefined"])
async def test_a_charset_that_reads_nothing_is_the_callers_mistake(charset: str) -> None:
    content_type = f"multipart/form-data; boundary=b; charset={charset}"
    with pytest.raises(InvalidParameter, match="charset"):
        await read_form(form(FORM.replace(b"true", b"\xff-\xff"), content_type), LIMITS, "audio", 1000)


@pytest.mark.parametrize("part", [b"diarize", b"true"], ids=["name", "value"])
async def test_half_a_character_is_no_text(part: bytes) -> None:
    content_type = "multipart/form-data; boundary=b; charset=utf-7"
    with pytest.raises(InvalidParameter, match="charset"):
        await read_form(form(FORM.replace(part, b"+2AA-"), content_type), LIMITS, "audio", 1000)


@pytest.mark.parametrize(
    "body",
    [b"{", b'{"url": "http://example.com/\\ud800.wav"}', b'{"url": "\xff"}', b"[" * 40_000],
    ids=["broken off", "half a character", "not UTF-8", "too deep"],
)
async def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidParameter, match="not valid JSON"):
        await read_json(form(body), LIMITS)


@pytest.mark.parametrize(
    ("body", "content"),
    [
        (b"", {}),
        (b'{"url": "\\ud83d\\ude00"}', {"url": "\N{GRINNING FACE}"}),
        (b'\xef\xbb\xbf{"url": ""}', {"url": ""}),
    ],
    ids=["nothing", "two halves of a character", "from an editor that marks UTF-8"],
)
async def test_json_is_read(body: bytes, content: dict[str, Any]) -> None:
    assert await read_json(form(body), LIMITS) == content
