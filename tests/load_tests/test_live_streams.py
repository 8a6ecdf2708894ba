from __future__ import annotations

import pytest

from load_tests.live_streams import play
from serve_app.live_client import PIECE_BYTES, LiveRequest
from tests.fakes.live_server import error, running_live_server, transcript

pytestmark = pytest.mark.unit


async def test_a_stream_writes_down_what_was_sent_and_told() -> None:
    with running_live_server() as server:
        server.script = {2 * PIECE_BYTES: [transcript("red", 0.0, 0.2, is_final=False), transcript("", 0.2, 0.2)]}
        server.last = [transcript("Red river.", 0.0, 0.35, is_last=True)]
        log = await play(server.url, bytes(3 * PIECE_BYTES + 100), LiveRequest(end_silence_ms=300))
        assert len(server.audio) == 3 * PIECE_BYTES + 100
        assert server.queries[0]["eou_timeout_ms"] == "300"
    assert log.failure == ""
    assert log.text == "Red river."
    assert [one.transcript.transcript for one in log.told] == ["red", "", "Red river."]
    assert log.sent_at_s == sorted(log.sent_at_s)
    assert len(log.sent_at_s) == 4
    assert log.sent_s(0.25) == log.sent_at_s[2]
    assert log.sent_s(99.0) == log.sent_at_s[-1]


@pytest.mark.parametrize("is_refused", [True, False])
async def test_a_failure_is_part_of_the_log(is_refused: bool) -> None:
    with running_live_server() as server:
        if is_refused:
            server.refusal = (503, "")
        server.script = {PIECE_BYTES: [error("Too many", "SERVICE_UNAVAILABLE")]}
        server.close_code = 1013
        log = await play(server.url, bytes(20 * PIECE_BYTES), LiveRequest())
    assert log.failure == (
        "HTTP 503 Service Unavailable (HTTP_503)" if is_refused else "Too many (SERVICE_UNAVAILABLE)"
    )
    assert len(log.sent_at_s) < 20
