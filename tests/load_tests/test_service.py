from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import typer

from load_tests.recordings import TimedWord
from load_tests.service import ListenFailed, Service, ServiceUnreachable, service_or_exit, text_by_speaker, words_of
from serve_app.client import ListenAnswer

pytestmark = pytest.mark.unit

ANSWER = {
    "request_id": "req_1",
    "text": "Yes, sir. No.",
    "confidence": 0.9,
    "duration": 2.0,
    "language": "en",
    "words": [
        {"word": "Yes", "start": 0.0, "end": 0.5, "confidence": 0.9},
        {"word": ",", "start": 0.5, "end": 0.5, "confidence": 1.0},
        {"word": "sir", "start": 0.5, "end": 0.9, "confidence": 0.9},
    ],
    "speakers": [
        {"speaker": "SPEAKER_00", "text": "Yes, sir.", "start": 0.0, "end": 1.0},
        {"speaker": "SPEAKER_01", "text": "No.", "start": 1.0, "end": 1.5},
        {"speaker": "SPEAKER_00", "text": "Well.", "start": 1.5, "end": 2.0},
    ],
}


class ScriptedServer(ThreadingHTTPServer):
    """Answers listen calls with statuses from a script, then with 200."""

    def __init__(self, statuses: list[int]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.statuses = statuses
        self.bodies: list[bytes] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: ScriptedServer

    def do_GET(self) -> None:
        self._answer(200, {"ready": True})

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        self._answer(status, ANSWER if status == 200 else {"error": "No", "code": "X"})

    def _answer(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[ScriptedServer]:
    with ScriptedServer(list(getattr(request, "param", []))) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_options_and_audio_are_sent(server: ScriptedServer) -> None:
    with Service(server.url) as service:
        service.wait_until_ready()
        assert service.listen(b"RIFF....", diarize=True, word_times=True).text == "Yes, sir. No."
    (body,) = server.bodies
    for part in (b'name="diarize"\r\n\r\ntrue', b'name="timestamps"\r\n\r\ntrue', b"RIFF...."):
        assert part in body


@pytest.mark.parametrize("server", [[503]], indirect=True)
def test_a_measured_call_is_not_tried_again(server: ScriptedServer) -> None:
    with Service(server.url) as service, pytest.raises(ListenFailed, match="503") as caught:
        service.listen(b"x")
    assert caught.value.status == 503
    assert len(server.bodies) == 1


@pytest.mark.parametrize("server", [[503]], indirect=True)
def test_a_patient_call_outlasts_a_restart(server: ScriptedServer) -> None:
    with Service(server.url) as service:
        assert service.listen_patiently(b"x").duration == 2.0
    assert len(server.bodies) == 2


@pytest.mark.parametrize("server", [[415]], indirect=True)
def test_a_patient_call_does_not_repeat_what_is_wrong(server: ScriptedServer) -> None:
    with Service(server.url) as service, pytest.raises(ListenFailed, match="415"):
        service.listen_patiently(b"x")
    assert len(server.bodies) == 1


def test_nobody_there_says_how_to_start(server: ScriptedServer) -> None:
    server.server_close()
    with Service(server.url) as service, pytest.raises(ServiceUnreachable, match="make serve"):
        service.wait_until_ready(timeout_s=0.0)


def test_a_program_without_a_service_says_so_and_ends(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as caught, service_or_exit(server.url, start=False):
        raise ServiceUnreachable("No API can be used")
    assert caught.value.exit_code == 2
    assert "No API can be used" in capsys.readouterr().out


def test_marks_are_no_words_and_speakers_are_gathered() -> None:
    answer = ListenAnswer.model_validate(ANSWER)
    assert words_of(answer) == (TimedWord("Yes", 0.0, 0.5), TimedWord("sir", 0.5, 0.9))
    assert text_by_speaker(answer) == {"SPEAKER_00": "Yes, sir. Well.", "SPEAKER_01": "No."}
