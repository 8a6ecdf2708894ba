"""Upload limits through the real proxy."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from websockets.sync.client import connect

from deployments.contracts import SAMPLE_RATE_HZ
from tests.cluster.service import MAX_UPLOAD_BYTES, RunningService
from tests.fakes.audio_files import encode_wav

pytestmark = pytest.mark.cluster

FORM_HEAD = b'--x\r\nContent-Disposition: form-data; name="audio"; filename="a.wav"\r\n\r\n'
FORM_HEADERS = {"content-type": "multipart/form-data; boundary=x"}


def test_a_declared_length_over_the_limit_is_refused_unread(service: RunningService) -> None:
    target = urlsplit(service.url)
    assert target.hostname
    assert target.port
    with socket.create_connection((target.hostname, target.port), timeout=30) as connection:
        connection.sendall(
            b"POST /v1/listen HTTP/1.1\r\nhost: localhost\r\ncontent-type: multipart/form-data; boundary=x\r\n"
            b"content-length: 999999999\r\n\r\n" + FORM_HEAD
        )
        head = connection.recv(4096)
    assert head.startswith(b"HTTP/1.1 422")


def test_a_chunked_upload_over_the_limit_is_refused(service: RunningService) -> None:
    def body() -> Iterator[bytes]:
        yield FORM_HEAD
        for _ in range(MAX_UPLOAD_BYTES // 65536 + 40):
            yield b"\0" * 65536

    response = service.client.post("/v1/listen", content=body(), headers=FORM_HEADERS)
    assert response.status_code == 422
    assert response.json() == {"error": "Audio file too large", "code": "FILE_TOO_LARGE", "max_size_mb": 8}


def test_a_file_within_the_limit_is_taken_after_all_that(service: RunningService) -> None:
    minutes = encode_wav(np.zeros(2 * 60 * SAMPLE_RATE_HZ, np.float32))
    assert len(minutes) < MAX_UPLOAD_BYTES
    with httpx.Client(base_url=service.url, timeout=60) as client:
        response = client.post("/v1/listen", files={"audio": minutes})
    assert response.status_code == 200
    assert response.json()["duration"] == pytest.approx(120)


def test_the_url_of_a_handshake_may_be_long(service: RunningService) -> None:
    url = service.url.replace("http://", "ws://") + "/v1/listen/stream?language=en&names=" + "a" * 60_000
    with connect(url, open_timeout=60) as socket:
        socket.send('{"type": "close_stream"}')
        assert '"is_last":true' in str(socket.recv()).replace(" ", "")
