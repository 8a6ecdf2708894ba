"""From the options of a config to text: each torch engine by its name, its checkpoint wherever it lies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from deployments.checkpoints.cache import CheckpointCache
from deployments.checkpoints.source import CheckpointSource
from deployments.contracts import SAMPLE_RATE_HZ
from deployments.errors import EngineUnavailable
from deployments.recognition.engine import SpeechWindow
from deployments.recognition.engines import RecognitionEngineOptions, load_recognition_engine, recognition_capabilities
from tests.fakes.checkpoints import whisper_checkpoint
from tests.fakes.frame_checkpoints import save_parakeet, save_waveform_ctc
from tests.fakes.model_hub import running_hub
from tests.fakes.moonshine_checkpoint import save_moonshine

pytestmark = pytest.mark.engine

NOISE = np.random.default_rng(0).normal(scale=0.1, size=SAMPLE_RATE_HZ).astype(np.float32)


@pytest.mark.parametrize(
    ("engine", "save", "languages"),
    [
        ("whisper", whisper_checkpoint, ("en", "de")),
        ("ctc", lambda folder: save_parakeet(folder, "ctc"), ("en",)),
        ("ctc", lambda folder: save_waveform_ctc(folder, "wav2vec2", "layer"), ("de",)),
        ("transducer", lambda folder: save_parakeet(folder, "tdt"), ("en", "fr")),
        ("moonshine", save_moonshine, ("ja",)),
    ],
    ids=["whisper", "parakeet-ctc", "wav2vec2", "parakeet-tdt", "moonshine"],
)
def test_each_engine_runs_what_its_name_and_a_folder_say(
    engine: str, save: Callable[[Path], object], languages: tuple[str, ...], tmp_path: Path
) -> None:
    save(tmp_path / "model")
    options = RecognitionEngineOptions(
        checkpoint=CheckpointSource(str(tmp_path / "model")),
        cache=CheckpointCache(tmp_path / "unused", offline=True),
        languages=languages,
    )
    promised = recognition_capabilities(engine, options)
    loaded = load_recognition_engine(engine, options)
    # What the ingress tells callers, and cuts recordings by, without having the engine.
    assert promised.languages <= loaded.capabilities.languages
    assert promised.longest_window_s <= loaded.capabilities.longest_window_s
    assert (promised.word_times, promised.confidences, promised.biasing) == (
        loaded.capabilities.word_times,
        loaded.capabilities.confidences,
        loaded.capabilities.biasing,
    )
    (hypothesis,) = loaded.transcribe([SpeechWindow(NOISE, languages[0])])
    assert all(0.0 <= word.start_s <= word.end_s <= 1.1 for word in hypothesis.words)


def test_a_checkpoint_of_a_hub_is_fetched_and_run(tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    whisper_checkpoint(tmp_path / "made")
    files = {file.name: file.read_bytes() for file in (tmp_path / "made").iterdir()}
    with running_hub() as hub:
        hub.commit("acme/whisper-small", {**files, "pytorch_model.bin": b"never wanted"})
        cache = CheckpointCache(tmp_path / "models", hub_endpoint=hub.url)
        options = RecognitionEngineOptions(checkpoint=CheckpointSource("acme/whisper-small"), cache=cache)
        loaded = load_recognition_engine("whisper", options)
    assert len(loaded.transcribe([SpeechWindow(NOISE, "en")])) == 1
    assert not any(name.startswith("pytorch_model.bin") for name in hub.downloads)


def test_a_checkpoint_that_lacks_what_was_promised_is_refused(tmp_path: Path) -> None:
    whisper_checkpoint(tmp_path / "model", english_only=True)
    options = RecognitionEngineOptions(
        checkpoint=CheckpointSource(str(tmp_path / "model")), cache=CheckpointCache(tmp_path / "unused")
    )
    with pytest.raises(EngineUnavailable, match=r"does not know .*recognition\.languages"):
        load_recognition_engine("whisper", options)
