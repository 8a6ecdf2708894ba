from __future__ import annotations

import json
import wave
from pathlib import Path

import numpy as np
import pytest

from load_tests.engine_bench_plan import (
    FULL,
    TARGETS,
    WINDOW_S,
    Family,
    Speech,
    family_of,
    read_speech,
    synthetic_speech,
    windows_of,
)

pytestmark = pytest.mark.unit


def write_wave(path: Path, samples: np.ndarray[tuple[int], np.dtype[np.int16]], rate_hz: int = 16_000) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate_hz, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    return path


@pytest.mark.parametrize(
    ("window_s", "tokens_per_s", "tokens"), [(30.0, 3.5, 105), (15.0, 3.5, 52), (10.0, 3.45, 34), (1.0, 0.2, 1)]
)
def test_a_window_has_as_many_tokens_as_speech_of_its_length(window_s: float, tokens_per_s: float, tokens: int) -> None:
    assert Speech(window_s, tokens_per_s).tokens == tokens


def test_every_target_is_measured_on_a_gpu() -> None:
    assert {target.model for target in TARGETS} <= set(FULL.models)
    assert (min(FULL.batches), max(FULL.batches)) == (1, 64)


def test_every_family_has_a_window() -> None:
    assert set(WINDOW_S) == set(Family)


@pytest.mark.parametrize(
    ("model_type", "family"),
    [
        ("whisper", Family.WHISPER),
        ("moonshine", Family.MOONSHINE),
        ("parakeet_ctc", Family.CTC),
        ("wav2vec2", Family.CTC),
        ("parakeet_tdt", Family.TRANSDUCER),
    ],
)
def test_a_folder_says_which_engine_runs_it(tmp_path: Path, model_type: str, family: Family) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
    assert family_of(tmp_path) is family


@pytest.mark.parametrize("config", ['{"model_type": "bert"}', "{}", "not JSON"])
def test_a_folder_of_something_else_is_refused(tmp_path: Path, config: str) -> None:
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(ValueError, match="no checkpoint"):
        family_of(tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nowhere"):
        family_of(tmp_path / "nowhere")


def test_speech_is_read_as_it_is(tmp_path: Path) -> None:
    samples = read_speech(write_wave(tmp_path / "speech.wav", np.array([0, 16384, -32768], np.int16)))
    assert samples.dtype == np.float32
    assert samples.tolist() == [0.0, 0.5, -1.0]


def test_speech_at_another_rate_is_refused(tmp_path: Path) -> None:
    path = write_wave(tmp_path / "speech.wav", np.zeros(8, np.int16), rate_hz=8_000)
    with pytest.raises(ValueError, match="16 kHz"):
        read_speech(path)


def test_what_is_no_speech_is_refused(tmp_path: Path) -> None:
    (tmp_path / "speech.wav").write_text("no RIFF")
    with pytest.raises(ValueError, match="no WAV file"):
        read_speech(tmp_path / "speech.wav")


def test_windows_go_through_speech_and_begin_again_where_it_ends() -> None:
    speech = np.arange(24_000, dtype=np.float32)
    windows = windows_of(speech, 1.0, 3)
    assert [len(window) for window in windows] == [16_000] * 3
    assert np.concatenate(windows).tolist() == [*range(24_000), *range(24_000)]


def test_windows_made_up_differ_and_are_the_same_in_every_run() -> None:
    first, second = windows_of(None, 1.0, 2)
    assert first.dtype == np.float32
    assert not np.array_equal(first, second)
    assert np.array_equal(second, synthetic_speech(1.0, seed=1))
