from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from serve_app.cli import app
from serve_app.commands.transcription_run import output_names
from tests.fakes.listen_server import ListenServer, answer_for

pytestmark = pytest.mark.unit

_TIMED = answer_for(
    "Hello there.",
    words=[
        {"word": "Hello", "start": 0.1, "end": 0.5, "confidence": 0.9},
        {"word": "there.", "start": 0.6, "end": 1.5, "confidence": 0.9},
    ],
)


@pytest.fixture
def recordings(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / name for name in ("a.wav", "b.mp3", "c.ogg")]
    for path, text in zip(paths, ("first", "second", "third"), strict=True):
        path.write_text(text)
    return paths


def _run(*args: object, server: str) -> Result:
    return CliRunner().invoke(app, ["transcribe", *map(str, args)], env={"RAYSCRIBE_SERVER": server})


def test_one_file_is_printed_as_it_is(listen_server: ListenServer, recordings: list[Path]) -> None:
    result = _run(recordings[0], server=listen_server.url)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "first\n", "")
    assert listen_server.forms == [{"diarize": "false", "timestamps": "false"}]


def test_several_files_come_in_order_under_their_names(listen_server: ListenServer, recordings: list[Path]) -> None:
    result = _run(*recordings, server=listen_server.url)
    a, b, c = recordings
    assert result.exit_code == 0
    assert result.stdout == f"==> {a} <==\nfirst\n\n==> {b} <==\nsecond\n\n==> {c} <==\nthird\n"


def test_a_failure_is_named_and_the_others_are_delivered(
    listen_server: ListenServer, recordings: list[Path], tmp_path: Path
) -> None:
    recordings[1].write_bytes(b"not audio")
    missing = tmp_path / "missing.wav"
    result = _run(recordings[0], missing, *recordings[1:], "--format", "json", server=listen_server.url)
    assert result.exit_code == 1
    assert [json.loads(line)["text"] for line in result.stdout.splitlines()] == ["first", "third"]
    assert result.stderr.splitlines() == [
        f"{missing}: No such file or directory",
        f"{recordings[1]}: Unsupported audio format (UNSUPPORTED_FORMAT)",
    ]


def test_warnings_go_to_stderr_and_are_no_failure(listen_server: ListenServer, recordings: list[Path]) -> None:
    silent = answer_for("", language=None, warnings=[{"code": "no_speech_detected", "message": "Nobody speaks"}])
    listen_server.answers["a.wav"] = silent
    result = _run(recordings[0], server=listen_server.url)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"{recordings[0]}: warning: Nobody speaks (no_speech_detected)\n"


@pytest.mark.parametrize("output_format", ["srt", "vtt"])
def test_subtitles_ask_for_word_times(listen_server: ListenServer, recordings: list[Path], output_format: str) -> None:
    listen_server.answers["a.wav"] = _TIMED
    result = _run(recordings[0], "--format", output_format, server=listen_server.url)
    assert result.exit_code == 0
    assert listen_server.forms[0]["timestamps"] == "true"
    assert "Hello there." in result.stdout
    assert "00:00:00,100 -->" in result.stdout.replace(".", ",")


def test_word_times_in_text_are_a_list(listen_server: ListenServer, recordings: list[Path]) -> None:
    listen_server.answers["a.wav"] = _TIMED
    result = _run(recordings[0], "--word-times", server=listen_server.url)
    assert result.stdout == "0.10\t0.50\tHello\n0.60\t1.50\tthere.\n"


def test_the_number_of_speakers_asks_for_speakers(listen_server: ListenServer, recordings: list[Path]) -> None:
    turns = [{"speaker": "SPEAKER_00", "text": "Hi.", "start": 0.0, "end": 0.5}]
    listen_server.answers["a.wav"] = answer_for("Hi.", speakers=turns)
    result = _run(recordings[0], "--num-speakers", "2", "--language", "en", server=listen_server.url)
    assert result.stdout == "SPEAKER_00: Hi.\n"
    assert listen_server.forms == [{"language": "en", "diarize": "true", "num_speakers": "2", "timestamps": "false"}]


def test_json_has_what_the_server_said_and_the_file(listen_server: ListenServer, recordings: list[Path]) -> None:
    listen_server.answers["a.wav"] = {**_TIMED, "later_field": 1}
    result = _run(recordings[0], "--format", "json", "--word-times", server=listen_server.url)
    assert json.loads(result.stdout) == {"file": str(recordings[0]), **_TIMED, "later_field": 1}


def test_output_dir_gets_a_file_for_each_recording(
    listen_server: ListenServer, recordings: list[Path], tmp_path: Path
) -> None:
    folder = tmp_path / "new" / "folder"
    result = _run(*recordings, "--output-dir", folder, server=listen_server.url)
    assert (result.exit_code, result.stdout) == (0, "")
    written = {path.name: path.read_text() for path in folder.iterdir()}
    assert written == {"a.txt": "first\n", "b.txt": "second\n", "c.txt": "third\n"}


def test_no_more_than_concurrency_files_are_sent_at_once(listen_server: ListenServer, recordings: list[Path]) -> None:
    assert _run(*recordings * 4, "--concurrency", 2, server=listen_server.url).exit_code == 0
    assert len(listen_server.uploads) == 12
    assert listen_server.most_at_once <= 2


def test_no_server_says_once_how_to_start_one(recordings: list[Path]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        server = f"http://127.0.0.1:{taken.getsockname()[1]}"
        result = _run(*recordings, server=server)
    assert result.exit_code == 1
    assert result.stderr == f"No server at {server}. Start one with: rayscribe serve\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--format", "srt", "--word-times"],
        ["--server", "localhost:7100"],
        ["--server", "http://127.0.0.1:99999"],
        ["--num-speakers", "0"],
        ["--format", "docx"],
        ["--concurrency", "0"],
    ],
)
def test_options_that_mean_nothing_are_refused(
    listen_server: ListenServer, recordings: list[Path], arguments: list[str]
) -> None:
    assert _run(recordings[0], *arguments, server=listen_server.url).exit_code == 2
    assert listen_server.uploads == []


@given(st.lists(st.sampled_from(["a.wav", "x/a.wav", "a.mp3", "a.srt", "b", "a.wav-2", ".hidden"]), max_size=12))
def test_output_names_never_meet_nor_replace_a_recording(names: list[str]) -> None:
    files = [Path(name) for name in names]
    outputs = output_names(files, ".srt")
    assert len(set(outputs)) == len(files)
    assert all(output.endswith(".srt") for output in outputs)
    assert not set(outputs) & {path.name for path in files}
