from __future__ import annotations

import json
import threading
from collections.abc import Callable

import httpx
import pytest

from load_tests.load.calls import Answer, FileCaller, error_code, is_unreachable_from_service
from load_tests.load.observations import Outcome
from load_tests.load.plan import Caller, FileApi
from load_tests.load.receiver import Receiver, running_receiver
from load_tests.load.uploads import Upload

pytestmark = pytest.mark.unit

UPLOAD = Upload("one.wav", b"RIFF", "audio/wav", 2.0)
NAMESAKE = Upload("one.wav", b"other", "audio/wav", 2.0)
CALLER = Caller("small", "rs_key")


def called(api: FileApi, respond: Callable[[httpx.Request], httpx.Response]) -> Answer:
    receiver = Receiver("http://receiver", [UPLOAD])
    file_caller = FileCaller("http://127.0.0.1:1", receiver, 0.2, httpx.MockTransport(respond))
    try:
        return file_caller.call(api, UPLOAD, CALLER)
    finally:
        file_caller.close()


@pytest.mark.parametrize(
    ("api", "path", "text_in"),
    [
        (FileApi.LISTEN, "/v1/listen", "text"),
        (FileApi.WAVES, "/waves/v1/stt/", "transcription"),
        (FileApi.SIXTYDB, "/stt", "text"),
        (FileApi.OPENAI, "/v1/audio/transcriptions", "text"),
        (FileApi.URL, "/v1/listen", "text"),
    ],
)
def test_each_api_is_asked_in_its_own_way(api: FileApi, path: str, text_in: str) -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        assert request.url.path == path
        assert request.headers["authorization"] == "Bearer rs_key"
        body = request.read()
        assert (b"http://receiver/audio/0/one.wav" if api is FileApi.URL else b"RIFF") in body
        return httpx.Response(200, json={text_in: "Hello."})

    assert called(api, respond) == Answer(Outcome.DONE)


def test_an_answer_without_words_is_done_and_marked() -> None:
    answer = called(FileApi.LISTEN, lambda _: httpx.Response(200, json={"text": " "}))
    assert answer == Answer(Outcome.DONE, has_text=False)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"text": null}', b"<html>"])
def test_an_answer_that_is_no_transcript_is_a_failure(content: bytes) -> None:
    answer = called(FileApi.LISTEN, lambda _: httpx.Response(200, content=content))
    assert answer.outcome is Outcome.FAILED


def test_a_refusal_has_its_reason_and_when_to_come_back() -> None:
    body = {"error": "Too many", "code": "RATE_LIMIT_EXCEEDED", "retry_after": 3}
    answer = called(FileApi.LISTEN, lambda _: httpx.Response(429, json=body, headers={"retry-after": "3"}))
    assert answer == Answer(Outcome.REFUSED, "HTTP 429 RATE_LIMIT_EXCEEDED", retry_after_s=3.0)


@pytest.mark.parametrize("error", [httpx.ReadTimeout("late"), httpx.ConnectError("nobody"), httpx.ReadError("cut")])
def test_no_answer_is_a_failure(error: httpx.HTTPError) -> None:
    def respond(_: httpx.Request) -> httpx.Response:
        raise error

    answer = called(FileApi.OPENAI, respond)
    assert answer.outcome is Outcome.FAILED
    assert answer.reason == (
        "no answer within 0.2 s" if isinstance(error, httpx.TimeoutException) else f"{type(error).__name__}: {error}"
    )


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"error": "x", "code": "FILE_TOO_LARGE"}, "FILE_TOO_LARGE"),
        (
            {"success": False, "error": "x", "message": "x", "error_code": "STT_CONCURRENCY_LIMIT"},
            "STT_CONCURRENCY_LIMIT",
        ),
        ({"error": {"message": "m", "code": "rate_limit_exceeded"}}, "rate_limit_exceeded"),
        ({"error": {"message": "m", "code": None}}, "m"),
        ({}, ""),
        ([], ""),
        (None, ""),
    ],
)
def test_codes_are_found_in_every_dialects_errors(body: object, code: str) -> None:
    assert error_code(body) == code


def test_a_service_that_may_not_reach_this_machine_is_told_apart() -> None:
    for body in (
        {"error": "Cannot fetch the audio: not allowed", "code": "URL_NOT_ALLOWED"},
        {"error": "Invalid parameter callback_url: not allowed", "code": "INVALID_PARAMETER"},
    ):
        answer = called(FileApi.JOB, lambda _, body=body: httpx.Response(400, json=body))  # type: ignore[misc]
        assert answer.outcome is Outcome.FAILED
        assert is_unreachable_from_service(answer.reason)
    other = {"error": "Invalid parameter language: no", "code": "INVALID_PARAMETER"}
    assert not is_unreachable_from_service(called(FileApi.JOB, lambda _: httpx.Response(400, json=other)).reason)


def job_answer(webhook: dict[str, object] | None) -> tuple[Answer, Receiver]:
    """A service that accepts a job and sends this webhook, twice, to our real server."""
    with running_receiver([UPLOAD], "127.0.0.1", 0, None) as receiver:
        senders = []

        def respond(request: httpx.Request) -> httpx.Response:
            if request.method == "GET":
                return httpx.Response(200, json={"status": "running"})
            body = request.read().decode()
            hook = body[body.index("http://127.0.0.1") :].split()[0]

            def send() -> None:
                for _ in range(2):
                    assert httpx.post(hook, json=webhook).status_code == 204

            if webhook is not None:
                senders.append(threading.Thread(target=send))
                senders[-1].start()
            return httpx.Response(200, json={"job_id": "job_1", "status": "processing"})

        caller = FileCaller("http://127.0.0.1:1", receiver, 5.0 if webhook else 0.2, httpx.MockTransport(respond))
        answer = caller.call(FileApi.JOB, UPLOAD, Caller("all"))
        for sender in senders:
            sender.join()
        return answer, receiver


def test_a_job_is_done_when_its_webhook_is_here() -> None:
    answer, receiver = job_answer({"job_id": "job_1", "result": {"text": "Hello."}})
    assert (answer.outcome, answer.has_text) == (Outcome.DONE, True)
    assert answer.accepted_s is not None
    assert (receiver.repeated, receiver.late) == (1, 0)


@pytest.mark.parametrize(
    "webhook", [{"job_id": "job_1", "status": "failed"}, {"job_id": "job_2", "result": {"text": ""}}]
)
def test_a_webhook_that_brings_no_result_is_a_failure(webhook: dict[str, object]) -> None:
    answer, _ = job_answer(webhook)
    assert answer.outcome is Outcome.FAILED
    assert answer.reason == f"the webhook says: {json.dumps(webhook)}"


def test_a_job_without_a_webhook_is_lost_and_says_where_it_stands() -> None:
    answer, _ = job_answer(None)
    assert answer.outcome is Outcome.FAILED
    assert answer.reason == "no webhook within 0.2 s; the job is running"
    assert answer.accepted_s is not None


def test_recordings_are_given_away_and_strange_webhooks_are_not_taken() -> None:
    with (
        running_receiver([UPLOAD, NAMESAKE], "127.0.0.1", 0, None) as receiver,
        httpx.Client(base_url=receiver.url) as client,
    ):
        got = httpx.get(receiver.audio_url(UPLOAD))
        assert (got.status_code, got.content, got.headers["content-type"]) == (200, b"RIFF", "audio/wav")
        assert httpx.get(receiver.audio_url(NAMESAKE)).content == b"other"
        assert client.get("/audio/9/two.wav").status_code == 404
        assert client.post("/hook/unknown", json={}).status_code == 404
        with receiver.expecting() as expected:
            assert client.post(expected.url, content=b"no json").status_code == 404
            assert expected.wait(0.0) is None
        assert client.post(expected.url, json={"job_id": "x"}).status_code == 204
        assert receiver.late == 1
