from __future__ import annotations

import socket
from pathlib import Path

import pytest
from fastapi.responses import JSONResponse, PlainTextResponse

from serve_app.client import (
    MAX_ATTEMPTS,
    MAX_RETRY_WAIT_S,
    UNREACHABLE,
    ListenAnswer,
    ListenClient,
    ListenError,
    ListenOptions,
)
from tests.fakes.certificates import server_context
from tests.fakes.listen_server import ListenServer, answer_for, error_response
from tests.fakes.scripted_http import fixed, response, scripted_server

pytestmark = pytest.mark.unit

_DEFAULTS = ListenOptions()


class Naps:
    """A sleep that only notes for how long."""

    def __init__(self) -> None:
        self.taken_s: list[float] = []

    async def __call__(self, duration_s: float) -> None:
        self.taken_s.append(duration_s)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "call.wav"
    path.write_bytes(b"hello")
    return path


async def _transcribe(
    server: str, path: Path, options: ListenOptions = _DEFAULTS, naps: Naps | None = None
) -> ListenAnswer:
    async with ListenClient(server, sleep=naps or Naps()) as client:
        return await client.transcribe(path, options)


async def test_the_file_and_only_the_chosen_options_are_sent(listen_server: ListenServer, recording: Path) -> None:
    options = ListenOptions(language="en", punctuate=False, diarize=True, num_speakers=2, timestamps=True)
    answer = await _transcribe(listen_server.url, recording, options)
    await _transcribe(listen_server.url, recording)
    assert answer.text == "hello"
    assert listen_server.uploads[0] == ("call.wav", b"hello")
    assert listen_server.forms == [
        {"language": "en", "punctuate": "false", "diarize": "true", "num_speakers": "2", "timestamps": "true"},
        {},
    ]


async def test_a_key_is_sent_where_there_is_one(listen_server: ListenServer, recording: Path) -> None:
    for key in (None, "rs_secret"):
        async with ListenClient(listen_server.url, key) as client:
            await client.transcribe(recording, _DEFAULTS)
    assert listen_server.authorizations == [None, "Token rs_secret"]


async def test_an_error_keeps_the_servers_words(listen_server: ListenServer, recording: Path) -> None:
    listen_server.scripted = [error_response(422, "Audio file too large", "FILE_TOO_LARGE")]
    naps = Naps()
    with pytest.raises(ListenError) as caught:
        await _transcribe(listen_server.url, recording, naps=naps)
    assert (caught.value.message, caught.value.code, caught.value.status) == (
        "Audio file too large",
        "FILE_TOO_LARGE",
        422,
    )
    assert naps.taken_s == []


@pytest.mark.parametrize("status", [429, 503])
async def test_a_temporary_refusal_is_tried_again_after_the_time_the_server_asked_for(
    listen_server: ListenServer, recording: Path, status: int
) -> None:
    busy = ("No ASR workers available", "SERVICE_UNAVAILABLE")
    listen_server.scripted = [
        error_response(status, *busy, **{"retry-after": "7"}),
        JSONResponse({"error": busy[0], "code": busy[1], "retry_after": 9}, status_code=status),
        error_response(status, *busy, **{"retry-after": "3600"}),
    ]
    naps = Naps()
    answer = await _transcribe(listen_server.url, recording, naps=naps)
    assert answer.text == "hello"
    assert naps.taken_s == [7.0, 9.0, MAX_RETRY_WAIT_S]
    assert listen_server.uploads == [("call.wav", b"hello")] * 4


async def test_503_is_not_tried_for_ever(listen_server: ListenServer, recording: Path) -> None:
    dated = {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}
    listen_server.scripted = [error_response(503, "busy", "SERVICE_UNAVAILABLE", **dated) for _ in range(9)]
    naps = Naps()
    with pytest.raises(ListenError, match="busy"):
        await _transcribe(listen_server.url, recording, naps=naps)
    assert len(listen_server.uploads) == MAX_ATTEMPTS
    assert all(0 < nap_s < 5 for nap_s in naps.taken_s)


async def test_no_server_is_tried_again_and_then_told(recording: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # Bound and not listening: connections are refused.
        naps = Naps()
        with pytest.raises(ListenError) as caught:
            await _transcribe(f"http://127.0.0.1:{taken.getsockname()[1]}", recording, naps=naps)
    assert (caught.value.code, caught.value.status) == (UNREACHABLE, None)
    assert len(naps.taken_s) == MAX_ATTEMPTS - 1


async def test_a_certificate_that_nobody_trusts_is_told_at_once(recording: Path, tmp_path: Path) -> None:
    naps = Naps()
    async with scripted_server(fixed(response(200)), server_context("localhost", tmp_path)) as server:
        with pytest.raises(ListenError, match="self-signed") as caught:
            await _transcribe(f"https://localhost:{server.port}", recording, naps=naps)
    assert (caught.value.code, naps.taken_s) == ("TLS_FAILED", [])


@pytest.mark.parametrize(
    ("response", "code"),
    [
        (PlainTextResponse("Internal Server Error", status_code=500), "HTTP_500"),
        (JSONResponse(["odd"], status_code=502), "HTTP_502"),
        (PlainTextResponse("hello, I am another program"), "UNEXPECTED_ANSWER"),
        (JSONResponse({"text": "no id"}), "UNEXPECTED_ANSWER"),
    ],
)
async def test_what_is_no_answer_of_ours_is_an_error(
    listen_server: ListenServer, recording: Path, response: PlainTextResponse | JSONResponse, code: str
) -> None:
    listen_server.scripted = [response]
    with pytest.raises(ListenError) as caught:
        await _transcribe(listen_server.url, recording)
    assert caught.value.code == code


async def test_a_missing_file_is_an_os_error(listen_server: ListenServer, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await _transcribe(listen_server.url, tmp_path / "none.wav")


def test_words_get_their_punctuation_and_their_speaker() -> None:
    answer = ListenAnswer.model_validate(
        answer_for(
            "Hello, you. Yes!",
            words=[
                {"word": "Hello", "start": 0.1, "end": 0.4, "confidence": 0.9, "speaker": "SPEAKER_00"},
                {"word": ",", "start": 0.4, "end": 0.4, "confidence": 1.0, "speaker": "SPEAKER_00"},
                {"word": "you.", "start": 0.5, "end": 0.8, "confidence": 0.8, "speaker": "SPEAKER_00"},
                {"word": "Yes", "start": 1.0, "end": 1.2, "confidence": 0.7, "speaker": "SPEAKER_01"},
                {"word": "!", "start": 1.2, "end": 1.2, "confidence": 1.0, "speaker": "SPEAKER_01"},
            ],
            speakers=[
                {"speaker": "SPEAKER_00", "text": "Hello, you.", "start": 0.1, "end": 0.8},
                {"speaker": "SPEAKER_01", "text": "Yes!", "start": 1.0, "end": 1.2},
            ],
        )
    )
    said = [(segment.speaker, [word.text for word in segment.words]) for segment in answer.segments()]
    assert said == [("SPEAKER_00", ["Hello,", "you."]), ("SPEAKER_01", ["Yes!"])]
    assert [word.end_s for word in answer.segments()[0].words] == [0.4, 0.8]


def test_without_speakers_the_answer_is_one_segment_and_silence_is_none() -> None:
    (whole,) = ListenAnswer.model_validate(answer_for("Hello.")).segments()
    assert (whole.text, whole.words, whole.speaker) == ("Hello.", (), None)
    assert ListenAnswer.model_validate(answer_for("", language=None)).segments() == ()
