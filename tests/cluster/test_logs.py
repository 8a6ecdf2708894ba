"""What must never be in a log: keys, URLs with credentials, what was said."""

from __future__ import annotations

from pathlib import Path

import pytest
import ray
from ray._private.worker import global_worker

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
