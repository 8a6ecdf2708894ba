"""The engine on a checkpoint of random weights: whatever it writes, it must write for the right reasons."""

from __future__ import annotations

import math
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from deployments.errors import EngineUnavailable, UnsupportedParameter
from deployments.recognition.engine import Hypothesis, SpeechWindow
from deployments.recognition.whisper.engine import WhisperEngine
from deployments.recognition.whisper.settings import GuardSettings, WhisperSettings
from tests.deployments.recognition.whisper.conftest import CPU
from tests.fakes.checkpoints import whisper_checkpoint
from tests.fakes.torch_device import WatchedDevice

pytestmark = pytest.mark.engine

_BELIEVE_ALL = GuardSettings(lowest_mean_log_probability=-math.inf, highest_compression_ratio=math.inf)


def _window(seed: int, duration_s: float = 1.0, language: str = "en", hints: tuple[str, ...] = ()) -> SpeechWindow:
    samples = np.random.default_rng(seed).normal(scale=0.1, size=int(duration_s * 16_000)).astype(np.float32)
    samples.flags.writeable = False
    return SpeechWindow(samples, language, hints)


_MIXED = [
    _window(1, 0.4, "en"),
    _window(2, 2.0, "fr", ("Ray Serve", "Pulse")),
    _window(3, 1.3, "hi"),
    _window(4, 0.7, "zh", ("x",)),
]


def _assert_same(one: Hypothesis, other: Hypothesis) -> None:
    assert [word.text for word in one.words] == [word.text for word in other.words]
    assert one.mean_log_probability == pytest.approx(other.mean_log_probability, abs=1e-4)
    assert [word.confidence for word in one.words] == pytest.approx([word.confidence for word in other.words], abs=1e-4)
    assert [word.end_s for word in one.words] == pytest.approx([word.end_s for word in other.words], abs=1e-4)


def test_a_batch_is_its_windows_one_by_one(engine: WhisperEngine) -> None:
    batch = engine.transcribe(_MIXED)
    for window, hypothesis in zip(_MIXED, batch, strict=True):
        _assert_same(hypothesis, engine.transcribe([window])[0])
    for hypothesis, other in zip(reversed(batch), engine.transcribe(_MIXED[::-1]), strict=True):
        _assert_same(hypothesis, other)
    assert engine.transcribe([]) == []


def test_a_batch_with_retries_is_its_windows_one_by_one(checkpoint: Path) -> None:
    engine = WhisperEngine(checkpoint, WhisperSettings(torch=CPU, temperatures=(0.0, 0.4, 0.8)))
    for window, hypothesis in zip(_MIXED, engine.transcribe(_MIXED), strict=True):
        _assert_same(hypothesis, engine.transcribe([window])[0])


def test_each_window_is_heard_in_its_own_language(engine: WhisperEngine) -> None:
    same_audio = [_window(1, language=language) for language in ("en", "fr", "hi")]
    batch = engine.transcribe(same_audio)
    assert len({hypothesis.mean_log_probability for hypothesis in batch}) == 3
    for hypothesis, other in zip(batch, engine.transcribe(same_audio[::-1])[::-1], strict=True):
        _assert_same(hypothesis, other)


def test_hints_change_their_own_window_only(engine: WhisperEngine) -> None:
    plain = [_window(1), _window(2), _window(3)]
    hinted = [plain[0], replace(plain[1], hints=("Ray Serve",)), plain[2]]
    before, after = engine.transcribe(plain), engine.transcribe(hinted)
    _assert_same(before[0], after[0])
    _assert_same(before[2], after[2])
    assert before[1].mean_log_probability != pytest.approx(after[1].mean_log_probability, abs=1e-4)


def test_word_times_are_in_order_and_within_the_window(engine: WhisperEngine) -> None:
    windows = [_window(seed, duration_s) for seed, duration_s in enumerate((0.0, 0.01, 0.05, 0.3, 1.11, 2.5, 4.0))]
    hypotheses = engine.transcribe(windows)
    assert any(len(hypothesis.words) > 1 for hypothesis in hypotheses)
    for window, hypothesis in zip(windows, hypotheses, strict=True):
        times = [time_s for word in hypothesis.words for time_s in (word.start_s, word.end_s)]
        assert times == sorted(times)
        assert all(0 <= time_s <= window.duration_s for time_s in times)
        assert all(0 <= word.confidence <= 1 for word in hypothesis.words)


def test_the_encoder_runs_once_and_retries_are_for_those_who_need_them(checkpoint: Path) -> None:
    lenient = WhisperEngine(checkpoint, WhisperSettings(torch=CPU, temperatures=(0.0,)))
    windows = [_window(seed) for seed in range(4)]
    sure = sorted(each.mean_log_probability for each in lenient.transcribe(windows))
    guards = GuardSettings(lowest_mean_log_probability=(sure[2] + sure[3]) / 2, highest_compression_ratio=math.inf)
    with WatchedDevice() as device:
        WhisperEngine(checkpoint, WhisperSettings(torch=CPU, temperatures=(0.0, 0.4), guards=guards)).transcribe(
            windows
        )
    assert device.convolved_rows == [4, 4]
    # The first decoding of all four, the retry of the three that are unsure, and the alignment of all.
    assert device.read_rows == [4, 3, 4]


def test_drafts_are_decoded_once(checkpoint: Path) -> None:
    nothing_is_believed = GuardSettings(lowest_mean_log_probability=0.0)
    settings = WhisperSettings(torch=CPU, temperatures=(0.0, 0.4), guards=nothing_is_believed)
    draft = replace(_window(1), is_draft=True)
    once = WhisperEngine(checkpoint, replace(settings, temperatures=(0.0,)))
    engine = WhisperEngine(checkpoint, settings)
    with WatchedDevice() as device:
        drafted, _ = engine.transcribe([draft, _window(2)])
    assert device.read_rows == [2, 1, 2]
    _assert_same(drafted, once.transcribe([draft])[0])


def test_unsure_words_where_nobody_speaks_are_left_out(checkpoint: Path) -> None:
    guards = GuardSettings(lowest_mean_log_probability=0.0, highest_no_speech_probability=-1.0)
    engine = WhisperEngine(checkpoint, WhisperSettings(torch=CPU, guards=guards))
    assert [hypothesis.words for hypothesis in engine.transcribe(_MIXED)] == [()] * 4


def test_a_loop_that_no_retry_ends_is_cut_off_and_reported(checkpoint: Path) -> None:
    guards = GuardSettings(highest_compression_ratio=0.2)
    settings = WhisperSettings(torch=CPU, temperatures=(0.0,), guards=guards)
    whole = WhisperEngine(checkpoint, replace(settings, guards=_BELIEVE_ALL)).transcribe([_window(2, 2.0)])[0]
    (cut,) = WhisperEngine(checkpoint, settings).transcribe([_window(2, 2.0)])
    assert cut.dropped_repeats
    assert cut.words == whole.words[: len(cut.words)]
    assert len(cut.words) < len(whole.words)


def test_a_text_that_does_not_fit_the_decoder_is_transcribed_in_halves(checkpoint: Path) -> None:
    settings = WhisperSettings(torch=CPU, temperatures=(0.0,), guards=_BELIEVE_ALL, most_tokens_per_s=120.0)
    engine = WhisperEngine(checkpoint, settings)
    window = _window(_NEVER_ENDS, 4.0)
    with WatchedDevice() as device:
        (whole,) = engine.transcribe([window])
    assert device.convolved_rows == [1, 1, 2, 2]
    assert max(word.start_s for word in whole.words) > 3.0
    times = [time_s for word in whole.words for time_s in (word.start_s, word.end_s)]
    assert times == sorted(times)
    with WatchedDevice() as device:
        engine.transcribe([replace(window, is_draft=True)])
    assert device.convolved_rows == [1, 1]


def test_a_batch_that_does_not_fit_the_memory_is_halved(engine: WhisperEngine) -> None:
    roomy = engine.transcribe(_MIXED)
    with WatchedDevice(most_rows=1) as device:
        cramped = engine.transcribe(_MIXED)
    assert device.convolved_rows == [1] * 8
    for one, other in zip(roomy, cramped, strict=True):
        _assert_same(one, other)


def test_calls_may_overlap(engine: WhisperEngine) -> None:
    alone = [engine.transcribe([window])[0] for window in _MIXED]
    together: dict[tuple[int, int], Hypothesis] = {}
    start = threading.Barrier(4)

    def transcribe(caller: int) -> None:
        start.wait()
        for turn in range(3):
            chosen = (caller + turn) % 4
            together[caller, turn] = engine.transcribe([_MIXED[chosen]])[0]

    threads = [threading.Thread(target=transcribe, args=(caller,)) for caller in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(together) == 12
    for (caller, turn), hypothesis in together.items():
        _assert_same(hypothesis, alone[(caller + turn) % 4])


def test_an_english_checkpoint(tmp_path: Path) -> None:
    engine = WhisperEngine(whisper_checkpoint(tmp_path, english_only=True, window_s=4), WhisperSettings(torch=CPU))
    assert engine.capabilities.languages == {"en"}
    (hypothesis,) = engine.transcribe([_window(1, hints=("Pulse",))])
    assert hypothesis.words
    with pytest.raises(UnsupportedParameter, match="language"):
        engine.transcribe([_window(1, language="fr")])


def test_without_word_times_the_engine_says_so(checkpoint: Path) -> None:
    engine = WhisperEngine(checkpoint, WhisperSettings(torch=CPU, word_times=False, guards=_BELIEVE_ALL))
    assert not engine.capabilities.word_times
    (hypothesis,) = engine.transcribe([_window(2, 2.0)])
    assert hypothesis.words[0].start_s == 0.0
    assert hypothesis.words[-1].end_s == pytest.approx(2.0)


def test_a_window_longer_than_the_encoder_is_refused(engine: WhisperEngine) -> None:
    assert engine.capabilities.longest_window_s == 4.0
    with pytest.raises(ValueError, match="4 s"):
        engine.transcribe([_window(1, 4.1)])


@pytest.mark.parametrize("missing", ["model.safetensors", "tokenizer.json", "preprocessor_config.json", "config.json"])
def test_a_folder_that_lacks_a_file_is_no_checkpoint(tmp_path: Path, checkpoint: Path, missing: str) -> None:
    for file in checkpoint.iterdir():
        if file.name != missing:
            (tmp_path / file.name).symlink_to(file)
    with pytest.raises(EngineUnavailable, match=str(tmp_path)):
        WhisperEngine(tmp_path, WhisperSettings(torch=CPU))


def test_weights_that_are_missing_are_not_made_up(tmp_path: Path, checkpoint: Path) -> None:
    for file in checkpoint.iterdir():
        if file.name != "model.safetensors":
            (tmp_path / file.name).symlink_to(file)
    weights = load_file(checkpoint / "model.safetensors")
    del weights["model.decoder.layers.1.fc1.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(EngineUnavailable, match=r"layers\.1\.fc1\.weight"):
        WhisperEngine(tmp_path, WhisperSettings(torch=CPU))


_NEVER_ENDS = 1
"""Seed of a window whose text the checkpoint does not end."""
