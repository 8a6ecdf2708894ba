"""Clients of a drill come back when they are told to, and write down everything that they saw."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from load_tests.drills.clients import FILE_APIS, Load, Speech
from load_tests.drills.endings import Ending

pytestmark = pytest.mark.unit

SPEECH = Speech(wav=b"RIFF", pcm=bytes(64))


@contextlib.contextmanager
def answering(*answers: tuple[int, dict[str, str]]) -> Iterator[str]:
    """A service that gives these answers in turn, and then cuts connections."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            if not left:
                return
            status, headers = left.pop(0)
            self.send_response(status)
            for name, value in {"content-length": "15", **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b'{"job_id": "a"}')

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is the base class's
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def sent_once(load: Load, api: str) -> list[tuple[Ending, str]]:
    asyncio.run(load.send(api))
    return [(attempt.ending, attempt.label) for attempt in load.attempts]


def test_a_client_that_is_told_to_come_back_does() -> None:
    with answering((503, {"retry-after": "0"}), (200, {})) as url:
        load = Load(url, "key", SPEECH, f"{url}/hook")
        assert sent_once(load, "/v1/listen") == [(Ending.TOLD, "503"), (Ending.ANSWERED, "200")]
    assert load.given_up == 0


@pytest.mark.parametrize("api", FILE_APIS)
def test_a_failure_is_written_down_and_not_tried_again(api: str) -> None:
    with answering((500, {}), (200, {})) as url:
        assert sent_once(Load(url, "key", SPEECH, f"{url}/hook"), api) == [(Ending.FAILED, "500")]


def test_a_cut_connection_is_a_failure() -> None:
    with answering() as url:
        ((ending, _),) = sent_once(Load(url, "key", SPEECH, f"{url}/hook"), "/v1/listen")
    assert ending is Ending.FAILED


def test_a_session_that_nobody_takes_is_a_failure() -> None:
    load = Load("http://127.0.0.1:9", "key", SPEECH, "http://127.0.0.1:9/hook")
    attempt = asyncio.run(load.talk())
    assert (attempt.kind, attempt.ending) == ("live", Ending.FAILED)
