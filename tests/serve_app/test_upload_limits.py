from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from deployments.errors import AudioTooLarge, InvalidParameter, Overloaded
from serve_app.byte_budget import ByteBudget
from serve_app.settings import LimitSettings
from serve_app.uploads import read_form, read_json
from tests.serve_app.test_uploads import request

pytestmark = pytest.mark.unit

L = LimitSettings()
HEAD = b'--b\r\nContent-Disposition: form-data; name="audio"; filename="a.wav"\r\n\r\n'
TAIL = b"\r\n--b--\r\n"


async def of(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def test_a_file_of_a_form_is_not_larger_than_allowed() -> None:
    with pytest.raises(AudioTooLarge):
        await read_form(request(of(HEAD, bytes(1001), TAIL)), L, "audio", 1000)


async def test_a_form_without_a_length_is_counted_while_it_comes() -> None:
    seen = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal seen
        yield HEAD
        while seen < 64:
            seen += 1
            yield bytes(1024 * 1024)
        yield TAIL

    with pytest.raises(AudioTooLarge):
        await read_form(request(endless()), L, "audio", 1000)
    assert seen <= 3


async def test_a_form_without_a_length_counts_against_what_the_process_may_hold() -> None:
    budget = ByteBudget(10_000)
    with budget.open_account(), pytest.raises(Overloaded):
        await read_form(request(of(HEAD, bytes(20_000), TAIL)), L, "audio", 100_000)


async def test_json_has_a_limit() -> None:
    with pytest.raises(InvalidParameter, match="larger than"):
        await read_json(request(of(b'{"a": "' + b"x" * 70_000 + b'"}')), L)


async def test_json_that_is_slow_to_read_is_not_read() -> None:
    values = b"[" + b"[]," * 300_000 + b"[]]"
    with pytest.raises(InvalidParameter, match="more than 50000 values"):
        await read_json(request(of(b'{"a": ' + values + b"}")), L, 5 * 1024 * 1024)
