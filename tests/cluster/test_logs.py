"""What must be in the log, by the id of its request, and what never: keys, URLs with credentials, what was said."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import ray
from ray._private.worker import global_worker
from websockets.asyncio.client import connect

from deployments.contracts import SAMPLE_RATE_HZ
from tests.cluster.service import RunningService, eventually
from tests.fakes.audio_files import encode_wav
from tests.fakes.recordings import recording
from tests.fakes.web import Web

pytestmark = pytest.mark.cluster

KEY = "rs_a-key-that-must-not-be-logged"
PASSWORD = "a-password-that-must-not-be-logged"
SAID = "age of wisdom"


def log_folder() -> Path:
    assert ray.is_initialized()
    return Path(global_worker.node.get_logs_dir_path())


def logs() -> str:
    return "\n".join(path.read_text(errors="replace") for path in log_folder().rglob("*") if path.is_file())


def test_secrets_and_transcripts_are_in_no_log(service: RunningService, web: Web) -> None:
    headers = {"authorization": f"Bearer {KEY}"}
    with_password = web.url.replace("http://", f"http://user:{PASSWORD}@")
    audio = encode_wav(recording("two_cities")[: 12 * SAMPLE_RATE_HZ])
    web.files["/call.wav"] = audio
    post = service.client.post
    assert SAID in post("/v1/listen", files={"audio": audio}, headers=headers).json()["text"]
    assert SAID in post("/v1/listen", json={"url": f"{with_password}/call.wav"}, headers=headers).json()["text"]
    assert post("/v1/listen", json={"url": f"{with_password}/none"}, headers=headers).status_code == 400
    assert post("/v1/listen", json={"url": f"http://u:{PASSWORD}@127.0.0.1:9/a"}, headers=headers).status_code == 400
    callback = {"callback_url": f"{with_password}/hook-logs"}
    assert post("/v1/listen", files={"audio": audio}, data=callback, headers=headers).status_code == 200
    assert post("/v1/listen", content=b"{" + KEY.encode(), headers=headers).status_code == 400
    assert eventually(lambda: any(hook.path == "/hook-logs" for hook in web.received), 60)
    written = logs()
    assert "Ingress" in written
    for secret in (KEY, PASSWORD, SAID):
        assert secret not in written


Line = dict[str, Any]


def lines_with(text: str) -> list[str]:
    """What replicas wrote so far."""
    files = (log_folder() / "serve").glob("replica_*.log")
    return [line for path in files for line in path.read_text().splitlines() if text in line]


def lines_of(request_id: str) -> list[Line]:
    """What replicas wrote about a request, as far as it was written yet."""
    lines = map(json.loads, lines_with(request_id))
    return [line for line in lines if line.get("request_id") == request_id]


def ends(request_id: str, event: str) -> Line:
    """The line that tells of the end; the file may be a moment late."""
    assert eventually(lambda: any(line.get("event") == event for line in lines_of(request_id)), 30)
    return next(line for line in lines_of(request_id) if line.get("event") == event)


def deployment(line: Line) -> str:
    """Serve writes the application's name in front."""
    return str(line["deployment"]).removeprefix("rayscribe_")


def outcomes(request_id: str) -> dict[str, str]:
    """How the stages' calls ended, by the name of the deployment."""
    return {deployment(line): line["outcome"] for line in lines_of(request_id) if line.get("event") == "stage call"}


def short_speech() -> bytes:
    return encode_wav(recording("two_cities")[: 4 * SAMPLE_RATE_HZ])


def test_a_request_is_found_by_its_id_in_the_ingress_and_in_the_stages(service: RunningService) -> None:
    files = {"audio": ("a-file-of-ann.wav", short_speech())}
    answer = service.client.post("/v1/listen?who=ann", files=files, headers={"x-request-id": "their.id-1"})
    # An error page of a proxy in between, a support ticket, the body: all have the same one.
    assert answer.headers.get_list("x-request-id") == ["their.id-1"]
    assert answer.json()["request_id"] == "their.id-1"
    line = ends("their.id-1", "request")
    assert (deployment(line), line["http_route"], line["http_status"]) == ("Ingress", "/v1/listen", 200)
    assert (line["dialect"], line["audio_s"], line["charge"][:7]) == ("smallest_selfhost", 4.0, "charge_")
    assert outcomes("their.id-1") == dict.fromkeys(("Decoder", "SpeechGate", "Recognizer"), "completed")
    written = json.dumps(lines_of("their.id-1"))
    assert "a-file-of-ann" not in written
    assert "who=ann" not in written


def test_a_request_that_fails_is_found_where_it_failed(service: RunningService) -> None:
    answer = service.listen(b"not audio at all")
    request_id = answer.headers["x-request-id"]
    assert ends(request_id, "request")["failure"] == "unsupported_audio"
    assert outcomes(request_id) == {"Decoder": "unsupported_audio"}


def test_an_id_that_is_no_token_is_in_no_log(service: RunningService) -> None:
    sent = "not a token; who=ann@example.com"
    answer = service.client.post("/v1/listen", files={"audio": short_speech()}, headers={"x-request-id": sent})
    ours = answer.json()["request_id"]
    # Serve's proxy sends back what it got as well.
    assert ours in answer.headers.get_list("x-request-id")
    assert ends(ours, "request")["http_status"] == 200
    assert outcomes(ours)["Recognizer"] == "completed"
    # The access log of Serve's proxy has what was sent.
    assert lines_with(sent) == []


def test_a_job_has_the_id_of_the_request_that_brought_it(service: RunningService, web: Web) -> None:
    answer = service.listen(short_speech(), callback_url=f"{web.url}/hook-with-id")
    request_id, job_id = answer.headers["x-request-id"], answer.json()["job_id"]
    assert ends(request_id, "request")["job"] == job_id
    line = ends(request_id, "job attempt")
    assert (deployment(line), line["job"]) == ("JobRunner", job_id)
    assert (line["outcome"], line["audio_s"]) == ("completed", 4.0)
    assert ends(request_id, "webhook attempt")["job"] == job_id
    assert outcomes(request_id)["Recognizer"] == "completed"


def test_a_live_session_has_the_id_of_its_handshake(service: RunningService) -> None:
    async def conversation() -> tuple[str, str]:
        url = service.url.replace("http://", "ws://") + "/v1/listen/stream?language=en"
        async with connect(url) as socket:
            request_id = socket.response.headers["x-request-id"] if socket.response else ""
            samples = recording("two_cities")[: 4 * SAMPLE_RATE_HZ]
            await socket.send((samples * 32767).astype("<i2").tobytes())
            await socket.send(json.dumps({"type": "close_stream"}))
            last: Line = {}
            async for message in socket:
                last = json.loads(message)
        return request_id, str(last["session_id"])

    request_id, session_id = asyncio.run(conversation())
    line = ends(request_id, "live session")
    assert (line["session"], line["outcome"], line["audio_s"]) == (session_id, "completed", 4.0)
    socket = ends(request_id, "socket")
    assert (socket["http_status"], socket["http_route"]) == (101, "/v1/listen/stream")
    assert outcomes(request_id)["Recognizer"] == "completed"
