from __future__ import annotations

import io
import wave

import numpy as np
import pytest
from fastapi.responses import Response

from load_tests.paced import send_paced, speech_of, wav_pieces
from load_tests.service import Service
from tests.fakes.listen_server import running_listen_server

pytestmark = pytest.mark.unit


def samples_of(data: bytes) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    with wave.open(io.BytesIO(data)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


def test_pieces_are_as_long_as_they_are_to_be_and_differ() -> None:
    speech = np.linspace(-0.5, 0.5, 16_000 * 5, dtype=np.float32)
    one, other, wrapped = map(samples_of, wav_pieces(speech, [1.0, 1.5, 9.0]))
    assert (len(one), len(other), len(wrapped)) == (16_000, 24_000, 144_000)
    assert one[0] != other[0]
    # From its start again at the end.
    assert np.array_equal(wrapped[: 144_000 - len(speech)], wrapped[len(speech) :])


def test_each_request_has_its_own_latency_and_one_that_fails_has_none() -> None:
    with running_listen_server() as server, Service(server.url) as service:
        server.scripted.append(Response(status_code=503))
        (failed,) = send_paced(service, [b"a"], [0.0])
        answered = send_paced(service, [b"b", b"c"], [0.0, 0.1], diarize=True)
    assert np.isinf(failed)
    assert np.isfinite(answered).all()
    assert [form["diarize"] for form in server.forms] == ["false", "true", "true"]


def test_the_wheels_speech_is_enough_where_there_are_no_recordings() -> None:
    speech = speech_of(())
    assert len(speech) > 75 * 16_000
    assert speech.dtype == np.float32
