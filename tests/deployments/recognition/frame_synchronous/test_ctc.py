"""CTC models: loaded as real ones are, small, some of them taught a language of tones."""

from __future__ import annotations

import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from deployments.contracts import SAMPLE_RATE_HZ  # noqa: E402
from deployments.errors import EngineUnavailable  # noqa: E402
from deployments.recognition.engine import SpeechWindow  # noqa: E402
from deployments.recognition.frame_synchronous.ctc import CtcEngine, CtcSettings  # noqa: E402
from deployments.recognition.frame_synchronous.features import ParakeetFeatures, WaveformFeatures  # noqa: E402
from deployments.recognition.torch_checkpoint import load_checkpoint  # noqa: E402
from deployments.torch_runtime import Precision, TorchSettings, placement_of  # noqa: E402
from tests.fakes.frame_checkpoints import save_parakeet, save_waveform_ctc  # noqa: E402
from tests.fakes.little_memory import little_memory  # noqa: E402
from tests.fakes.noise_windows import largest_difference, noise_windows, texts  # noqa: E402
from tests.fakes.tones import Sung, random_text, sing, teach  # noqa: E402

pytestmark = pytest.mark.engine

CPU = TorchSettings(device="cpu")
LENGTHS_S = (1.0, 2.37, 0.5, 2.37, 0.01)
FRAME_S = {"parakeet": 0.08, "wav2vec2": 0.02}


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One model of each kind that knows the language of tones."""
    root = tmp_path_factory.mktemp("taught")
    folders = {
        "parakeet": save_parakeet(root / "parakeet", "ctc"),
        "wav2vec2": save_waveform_ctc(root / "wav2vec2", "wav2vec2", "layer"),
    }
    for folder in folders.values():
        teach(folder)
    return folders


def engine(folder: Path, precision: Precision = Precision.FLOAT32) -> CtcEngine:
    return CtcEngine(folder, CtcSettings(("en",), TorchSettings(device="cpu", precision=precision)))


def songs() -> list[Sung]:
    return [sing(random_text(words, 99 + words), words) for words in (1, 3, 5)]


def windows(sung: list[Sung]) -> list[SpeechWindow]:
    return [SpeechWindow(song.samples, "en") for song in sung]


@pytest.mark.parametrize("kind", ["parakeet", "wav2vec2"])
def test_what_is_sung_is_heard_when_it_is_sung(taught: dict[str, Path], kind: str) -> None:
    sung = songs()
    hypotheses = engine(taught[kind]).transcribe(windows(sung))
    assert texts(hypotheses) == [song.text for song in sung]
    for song, hypothesis in zip(sung, hypotheses, strict=True):
        first = 0
        for word in hypothesis.words:
            last = first + len(word.text) - 1
            assert word.start_s == pytest.approx(song.times_s[first][0], abs=FRAME_S[kind])
            assert word.end_s == pytest.approx(song.times_s[last][1], abs=FRAME_S[kind])
            assert 0.8 < word.confidence <= 1.0
            first = last + 2
        assert all(before.end_s <= after.start_s for before, after in pairwise(hypothesis.words))


@pytest.mark.parametrize("kind", ["parakeet", "wav2vec2"])
def test_half_the_precision_hears_the_same(taught: dict[str, Path], kind: str) -> None:
    """The farthest word moved by 0.0007 in confidence, and none in time."""
    sung = windows(songs())
    exact = engine(taught[kind]).transcribe(sung)
    coarse = engine(taught[kind], Precision.BFLOAT16).transcribe(sung)
    assert texts(coarse) == texts(exact)
    for one, other in zip(exact, coarse, strict=True):
        for word, again in zip(one.words, other.words, strict=True):
            assert again.confidence == pytest.approx(word.confidence, abs=0.01)
            assert again.start_s == pytest.approx(word.start_s, abs=2 * FRAME_S[kind])


@pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask:UserWarning")
@pytest.mark.parametrize("norm", ["layer", "group"])
@pytest.mark.parametrize("architecture", ["wav2vec2", "hubert", "wavlm"])
def test_waveform_models_hear_a_window_as_if_it_were_alone(tmp_path: Path, architecture: str, norm: str) -> None:
    """Untaught, so that labels change with the slightest thing; the logits of a padded row moved by 7e-6 at most."""
    ctc = engine(save_waveform_ctc(tmp_path, architecture, norm))
    together = ctc.transcribe(noise_windows(LENGTHS_S))
    alone = [ctc.transcribe([window])[0] for window in noise_windows(LENGTHS_S)]
    assert texts(together) == texts(alone)
    assert [hypothesis.words for hypothesis in together] != [()] * len(LENGTHS_S)
    assert largest_difference(together, alone) < 1e-5


def test_a_model_that_normalises_over_time_is_given_equal_lengths(tmp_path: Path) -> None:
    """Padding moves its logits by three times their own deviation."""
    checkpoint = load_checkpoint(
        save_waveform_ctc(tmp_path, "wav2vec2", "group"), {"wav2vec2": "Wav2Vec2ForCTC"}, placement_of(CPU)
    )
    features = WaveformFeatures(checkpoint, placement_of(CPU))
    assert features.groups([5000, 9000, 5000, 100, 1600]) == [[0, 2], [1], [3, 4]]
    short, long = (window.samples for window in noise_windows((1.0, 2.0)))
    with torch.inference_mode():
        padded = checkpoint.model(**features.batch([short, long]).inputs).logits[0]
        alone = checkpoint.model(**features.batch([short]).inputs).logits[0]
    assert float((padded[: len(alone)] - alone).abs().max()) > float(alone.std())


def test_parakeet_hears_a_window_as_if_it_were_alone(taught: dict[str, Path]) -> None:
    ctc = engine(taught["parakeet"])
    sung = [*windows(songs()), *noise_windows(LENGTHS_S)]
    together, alone = ctc.transcribe(sung), [ctc.transcribe([window])[0] for window in sung]
    assert texts(together) == texts(alone)
    assert largest_difference(together, alone) < 1e-5


def test_samples_are_normalised_as_by_transformers(taught: dict[str, Path]) -> None:
    checkpoint = load_checkpoint(taught["wav2vec2"], {"wav2vec2": "Wav2Vec2ForCTC"}, placement_of(CPU))
    samples = [3.0 * window.samples + 0.2 for window in noise_windows(LENGTHS_S[:4])]
    ours = WaveformFeatures(checkpoint, placement_of(CPU)).batch(samples).inputs["input_values"]
    assert checkpoint.feature_extractor.do_normalize
    for row, window in zip(ours, samples, strict=True):
        (theirs,) = checkpoint.feature_extractor(window, sampling_rate=SAMPLE_RATE_HZ)["input_values"]
        torch.testing.assert_close(row[: len(window)], torch.from_numpy(theirs), atol=1e-4, rtol=1e-4)
        assert not row[len(window) :].any()


def test_mels_are_those_that_the_model_was_trained_on(taught: dict[str, Path]) -> None:
    checkpoint = load_checkpoint(taught["parakeet"], {"parakeet_ctc": "ParakeetForCTC"}, placement_of(CPU))
    samples = [window.samples for window in noise_windows(LENGTHS_S[:4])]
    ours = ParakeetFeatures(checkpoint, placement_of(CPU)).batch(samples)
    theirs = checkpoint.feature_extractor(samples, sampling_rate=SAMPLE_RATE_HZ, return_tensors="pt")
    torch.testing.assert_close(ours.inputs["input_features"], theirs["input_features"], atol=1e-5, rtol=1e-5)
    assert torch.equal(ours.inputs["attention_mask"], theirs["attention_mask"])


def test_a_batch_too_large_for_the_memory_is_halved(taught: dict[str, Path]) -> None:
    ctc = engine(taught["parakeet"])
    sung = windows(songs())
    expected = texts(ctc.transcribe(sung))
    with little_memory("ParakeetEncoderBlock", rows=1) as tried:
        assert texts(ctc.transcribe(sung)) == expected
    assert max(tried) == 3
    with little_memory("ParakeetEncoderBlock", rows=0), pytest.raises(torch.OutOfMemoryError):
        ctc.transcribe(sung)


def test_calls_may_overlap(taught: dict[str, Path]) -> None:
    ctc = engine(taught["parakeet"])
    sung = windows(songs())
    expected = texts(ctc.transcribe(sung))
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: texts(ctc.transcribe(sung)), range(8))) == [expected] * 8


@pytest.mark.parametrize("kind", ["parakeet", "wav2vec2"])
def test_nothing_and_next_to_nothing_are_no_errors(taught: dict[str, Path], kind: str) -> None:
    ctc = engine(taught[kind])
    assert ctc.transcribe([]) == []
    hypotheses = ctc.transcribe([SpeechWindow(np.zeros(samples, np.float32), "en") for samples in (0, 10, 1000, 16000)])
    for hypothesis, duration_s in zip(hypotheses, (0, 10 / 16000, 1 / 16, 1.0), strict=True):
        assert np.isfinite(hypothesis.mean_log_probability)
        assert all(word.end_s <= duration_s for word in hypothesis.words)


def test_the_settings_say_the_languages_and_the_model_its_windows(taught: dict[str, Path]) -> None:
    parakeet = engine(taught["parakeet"]).capabilities
    wav2vec2 = CtcEngine(taught["wav2vec2"], CtcSettings(("mt", "sw"), CPU)).capabilities
    assert parakeet.languages == {"en"}
    assert wav2vec2.languages == {"mt", "sw"}
    assert parakeet.longest_window_s > wav2vec2.longest_window_s


def test_a_checkpoint_that_is_missing_or_another_is_named(taught: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match=r"no config\.json"):
        engine(tmp_path)
    with pytest.raises(EngineUnavailable, match="'parakeet_tdt'"):
        engine(save_parakeet(tmp_path, "tdt"))
    (tmp_path / "config.json").write_text((taught["parakeet"] / "config.json").read_text())
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(EngineUnavailable, match=r"model\.safetensors"):
        engine(tmp_path)


@pytest.mark.parametrize(("kind", "weight"), [("parakeet", "ctc_head.weight"), ("wav2vec2", "lm_head.weight")])
def test_weights_that_are_missing_are_not_made_up(
    taught: dict[str, Path], tmp_path: Path, kind: str, weight: str
) -> None:
    with pytest.raises(EngineUnavailable, match=re.escape(weight)):
        engine(without_weight(taught[kind], tmp_path, weight))


def test_a_weight_that_only_learning_needs_may_be_missing(taught: dict[str, Path], tmp_path: Path) -> None:
    engine(without_weight(taught["wav2vec2"], tmp_path, "wav2vec2.masked_spec_embed"))


def without_weight(folder: Path, into: Path, weight: str) -> Path:
    """A copy of a checkpoint that lacks a weight."""
    shutil.copytree(folder, into, dirs_exist_ok=True)
    weights = load_file(into / "model.safetensors")
    del weights[weight]
    save_file(weights, into / "model.safetensors", metadata={"format": "pt"})
    return into
