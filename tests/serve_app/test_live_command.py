from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from serve_app.cli import app
from serve_app.live_client import PIECE_BYTES
from tests.fakes.audio_files import FORMATS, encode, encode_wav, sine
from tests.fakes.live_server import LiveServer, error, transcript

pytestmark = pytest.mark.unit


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """0.95 s: nine whole pieces and a half."""
    path = tmp_path / "tone.wav"
    path.write_bytes(encode_wav(sine(440, 0.95)))
    return path


def _run(*args: object, server: str) -> Result:
    return CliRunner().invoke(app, ["live", *map(str, args)], env={"RAYSCRIBE_SERVER": server})


def test_finals_are_lines_with_their_times(live_server: LiveServer, recording: Path) -> None:
    live_server.script = {
        PIECE_BYTES: [transcript("hello", 0.0, 0.1, is_final=False)],
        2 * PIECE_BYTES: [transcript("Hello there.", 0.0, 0.2), transcript("", 0.2, 0.2)],
    }
    live_server.last = [transcript("Bye.", 0.5, 0.95, is_last=True)]
    result = _run(recording, "--fast", server=live_server.url)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "0.00\t0.20\tHello there.\n0.50\t0.95\tBye.\n"
    assert live_server.controls == ["close_stream"]


def test_each_speaker_has_a_line(live_server: LiveServer, recording: Path) -> None:
    last = transcript("Who? Me.", 0.0, 0.4, is_last=True)
    for number, word in enumerate(last["words"]):
        word["speaker"] = str(number)
    live_server.last = [last]
    result = _run(recording, "--fast", "--diarize", server=live_server.url)
    assert result.stdout == "0.00\t0.20\tSpeaker 0: Who?\n0.20\t0.40\tSpeaker 1: Me.\n"
    assert live_server.queries[0]["diarize"] == "true"


def test_json_has_every_event_as_it_came(live_server: LiveServer, recording: Path) -> None:
    said = [
        {"type": "speech_started", "session_id": "live_1", "timestamp": 0.05},
        transcript("hello", 0.0, 0.1, is_final=False),
    ]
    live_server.script = {PIECE_BYTES: list(said)}
    live_server.last = [transcript("Hello.", 0.0, 0.2, is_last=True)]
    result = _run(
        recording, "--fast", "--json", "--language", "en", "--keywords", "a:2", "--api-key", "k", server=live_server.url
    )
    assert [json.loads(line) for line in result.stdout.splitlines()] == [*said, *live_server.last]
    assert {"vad_events": "true", "language": "en", "keywords": "a:2"}.items() <= live_server.queries[0].items()
    assert live_server.authorizations == ["Bearer k"]


@pytest.mark.parametrize("name", ["wav-s16", "mp3-44k-stereo", "ogg-opus", "mp4-aac-with-pictures", "wav-mulaw-8k"])
def test_any_format_is_sent_as_pcm(live_server: LiveServer, tmp_path: Path, name: str) -> None:
    audio_format = FORMATS[name]
    path = tmp_path / "recording"
    path.write_bytes(encode(sine(440, 1.0, audio_format.rate_hz), audio_format))
    assert _run(path, "--fast", server=live_server.url).exit_code == 0
    samples = np.frombuffer(live_server.audio, "<i2") / 32768
    assert len(samples) / 16_000 == pytest.approx(1.0, abs=0.1)
    assert np.sqrt(np.mean(samples[4000:12000] ** 2)) == pytest.approx(0.25 / np.sqrt(2), rel=0.15)
    assert set(live_server.pieces[:-1]) == {PIECE_BYTES}


def test_the_first_ctrl_c_waits_for_the_last_words(live_server: LiveServer, tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    path.write_bytes(encode_wav(sine(440, 300.0)))

    def interrupt(received_bytes: int) -> None:
        if received_bytes == 3 * PIECE_BYTES:
            os.kill(os.getpid(), signal.SIGINT)

    live_server.on_audio = interrupt
    live_server.last = [transcript("All.", 0.0, 0.3, is_last=True)]
    result = _run(path, server=live_server.url)
    assert (result.exit_code, result.stdout) == (0, "0.00\t0.30\tAll.\n")
    assert live_server.controls == ["close_stream"]
    assert len(live_server.audio) < 300 * 32_000
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_second_ctrl_c_waits_for_nothing(live_server: LiveServer, recording: Path) -> None:
    live_server.on_audio = lambda _: os.kill(os.getpid(), signal.SIGINT)
    live_server.on_close = lambda: os.kill(os.getpid(), signal.SIGINT)
    assert _run(recording, server=live_server.url).exit_code == 130


def test_an_error_of_the_session_is_told_behind_what_was_heard(live_server: LiveServer, recording: Path) -> None:
    live_server.script = {PIECE_BYTES: [transcript("One.", 0.0, 0.1), error("Recognition is behind", "BUSY")]}
    live_server.close_code = 1013
    result = _run(recording, server=live_server.url)
    assert (result.exit_code, result.stdout) == (1, "0.00\t0.10\tOne.\n")
    assert result.stderr == "Recognition is behind (BUSY)\n"


def test_a_server_that_goes_is_no_success(live_server: LiveServer, recording: Path) -> None:
    leaving = error("This server is going away; connect again", "SERVICE_UNAVAILABLE")
    live_server.script = {PIECE_BYTES: [transcript("One.", 0.0, 0.1, is_last=True), leaving]}
    live_server.close_code = 1012
    result = _run(recording, server=live_server.url)
    assert (result.exit_code, result.stdout) == (1, "0.00\t0.10\tOne.\n")
    assert result.stderr == "This server is going away; connect again (SERVICE_UNAVAILABLE)\n"


def test_a_refusal_is_in_the_servers_words(live_server: LiveServer, recording: Path) -> None:
    live_server.refusal = (400, json.dumps({"message": "Unsupported parameter diarize", "error_code": "UNSUPPORTED"}))
    result = _run(recording, "--diarize", server=live_server.url)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Unsupported parameter diarize (UNSUPPORTED)\n"


def test_no_server_says_how_to_start_one(recording: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = f"http://127.0.0.1:{taken.getsockname()[1]}"
    result = _run(recording, server=server)
    assert (result.exit_code, result.stderr) == (1, f"No server at {server}. Start one with: rayscribe serve\n")


def test_what_is_no_recording_is_not_sent(live_server: LiveServer, tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("nothing to hear")
    for path, reason in ((text, "Invalid data"), (tmp_path / "missing.wav", "No such file")):
        result = _run(path, server=live_server.url)
        assert result.exit_code == 1
        assert result.stderr.startswith(f"{path}: {reason}")
    assert live_server.queries == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["mic", "--fast"],
        ["a.wav", "--server", "localhost:7100"],
        ["a.wav", "--server", "http://127.0.0.1:99999"],
        ["a.wav", "--server", "http://127.0.0.1:port"],
        ["a.wav", "--server", "http://"],
    ],
)
def test_options_that_mean_nothing_are_refused(live_server: LiveServer, arguments: list[str]) -> None:
    assert _run(*arguments, server=live_server.url).exit_code == 2
    assert live_server.queries == []


def test_a_pipe_is_sent_as_it_comes(live_server: LiveServer) -> None:
    pcm = (sine(440, 0.5) * 32767).astype("<i2").tobytes()
    live_server.last = [transcript("Beep.", 0.0, 0.5, is_last=True)]
    done = subprocess.run(
        [sys.executable, "-m", "serve_app", "live", "-", "--server", live_server.url],
        input=pcm,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout.decode(), done.stderr) == (0, "0.00\t0.50\tBeep.\n", b"")
    assert bytes(live_server.audio) == pcm
