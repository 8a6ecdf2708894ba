"""pyannote.audio's own pipeline, on the weights and the speech of the moonshine-voice wheel."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

# what is imported next needs torch
pytest.importorskip("torch")
if find_spec("pyannote.audio") is None:
    pytest.skip("pyannote.audio is not installed", allow_module_level=True)

import torch

from deployments.checkpoints.cache import CheckpointCache
from deployments.checkpoints.source import CheckpointSource
from deployments.contracts import SAMPLE_RATE_HZ, Samples, SpeakerCount
from deployments.diarization.engine import DiarizationEngine
from deployments.diarization.engines import DiarizationEngineOptions, load_diarization_engine
from deployments.diarization.pyannote_engine import PyannoteDiarizer
from deployments.diarization.torch_trunk_networks import SPEAKER_SETS, KaldiFbank, PyanNet, ResNetTrunk, pool_statistics
from deployments.diarization.torch_trunk_weights import weights_from_folder
from deployments.diarization.torchaudio_import import import_torchaudio
from deployments.errors import Cancelled, EngineUnavailable, UnsupportedParameter
from deployments.stopping import never
from deployments.torch_runtime import TorchSettings
from tests.fakes.community1_folder import write_community1_folder
from tests.fakes.recordings import recording

# pyannote.audio and what it imports warn of much.
pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import_torchaudio()
    from pyannote.audio.core.task import Problem, Resolution, Specifications

    segmentation = Specifications(
        problem=Problem.MONO_LABEL_CLASSIFICATION,
        resolution=Resolution.FRAME,
        duration=10.0,
        classes=["speaker#1", "speaker#2", "speaker#3"],
        powerset_max_classes=2,
        permutation_invariant=True,
    )
    embedding = Specifications(problem=Problem.REPRESENTATION, resolution=Resolution.CHUNK, duration=5.0)
    root = tmp_path_factory.mktemp("community1")
    # Every embedding costs half a second of a core: few windows.
    return write_community1_folder(root, segmentation=segmentation, embedding=embedding, step=0.2)


@pytest.fixture(scope="module")
def engine(folder: Path) -> DiarizationEngine:
    options = DiarizationEngineOptions(
        CheckpointSource(str(folder)), CheckpointCache(folder / "cache"), TorchSettings("cpu"), embedding_batch=4
    )
    return load_diarization_engine("pyannote", options)


@pytest.fixture(scope="module")
def two_voices() -> Samples:
    """Eight seconds of a reader, then three of an actor."""
    reader, actor = recording("two_cities"), recording("endgame_nagg_nell")
    return np.concatenate([reader[SAMPLE_RATE_HZ : 9 * SAMPLE_RATE_HZ], actor[: 3 * SAMPLE_RATE_HZ]])


@pytest.mark.parametrize("bounds", [SpeakerCount(exact=2), SpeakerCount(minimum=2, maximum=4)])
def test_two_voices_are_told_apart(engine: DiarizationEngine, two_voices: Samples, bounds: SpeakerCount) -> None:
    frozen = two_voices.copy()
    frozen.flags.writeable = False
    turns = engine.diarize(frozen, bounds, never)
    assert {turn.speaker for turn in turns} == {"SPEAKER_00", "SPEAKER_01"}
    assert [turn.start_s for turn in turns] == sorted(turn.start_s for turn in turns)
    assert max(turn.end_s for turn in turns if turn.speaker == "SPEAKER_00") == pytest.approx(8, abs=0.3)
    assert min(turn.start_s for turn in turns if turn.speaker == "SPEAKER_01") == pytest.approx(8, abs=0.3)


@pytest.mark.parametrize("bounds", [SpeakerCount(exact=1), SpeakerCount(maximum=1)])
def test_there_are_no_more_speakers_than_allowed(
    engine: DiarizationEngine, two_voices: Samples, bounds: SpeakerCount
) -> None:
    assert {turn.speaker for turn in engine.diarize(two_voices, bounds, never)} == {"SPEAKER_00"}


def test_turns_end_with_the_recording(engine: DiarizationEngine, two_voices: Samples) -> None:
    turns = engine.diarize(two_voices[: 5 * SAMPLE_RATE_HZ], SpeakerCount(), never)
    assert turns
    assert turns[-1].end_s <= 5


@pytest.mark.parametrize("sample_count", [0, 1, 300, 8_000])
def test_silence_has_no_turns(engine: DiarizationEngine, sample_count: int) -> None:
    assert engine.diarize(np.zeros(sample_count, dtype=np.float32), SpeakerCount(), never) == ()


@pytest.mark.parametrize("calls_before_stop", [0, 1, 4])
def test_it_stops_between_batches(engine: DiarizationEngine, two_voices: Samples, calls_before_stop: int) -> None:
    answers = iter([False] * calls_before_stop + [True])
    with pytest.raises(Cancelled):
        engine.diarize(two_voices, SpeakerCount(), lambda: next(answers))


def test_it_has_no_voiceprints(engine: DiarizationEngine, two_voices: Samples) -> None:
    with pytest.raises(UnsupportedParameter):
        engine.voiceprint(two_voices, never)


def test_it_reports_to_nobody(engine: DiarizationEngine) -> None:
    from pyannote.audio.telemetry.metrics import is_metrics_enabled

    assert not is_metrics_enabled()


def test_our_networks_are_pyannotes(folder: Path, two_voices: Samples) -> None:
    import_torchaudio()
    from pyannote.audio import Model

    window = torch.tensor(two_voices[None, : 10 * SAMPLE_RATE_HZ])
    weights = weights_from_folder(folder)
    segmentation, trunk, head = PyanNet(), ResNetTrunk(), torch.nn.Linear(5120, 256)
    for network, state in (segmentation, weights.segmentation), (trunk, weights.trunk), (head, weights.head):
        network.load_state_dict(state)
    theirs = {name: Model.from_pretrained(folder / name).eval() for name in ("segmentation", "embedding")}
    with torch.inference_mode():
        sets = torch.tensor(SPEAKER_SETS)[theirs["segmentation"](window[None]).argmax(dim=-1)]
        assert (segmentation.eval()(window) == sets).float().mean() > 0.999
        frames = trunk.eval()(KaldiFbank()(window))
        voice = head(pool_statistics(frames, torch.ones(1, 1, frames.shape[1])))[:, 0]
        torch.testing.assert_close(voice, theirs["embedding"](window[None]), atol=1e-3, rtol=1e-3)


class Hostile:
    """Unpickled in full, it makes a folder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self._path),)


def test_a_network_that_would_run_something_is_not_loaded(folder: Path, tmp_path: Path) -> None:
    spoiled = Path(shutil.copytree(folder, tmp_path / "copy"))
    path = spoiled / "embedding" / "pytorch_model.bin"
    content: dict[str, Any] = torch.load(path, weights_only=False)
    torch.save(content | {"callbacks": Hostile(tmp_path / "mark")}, path)
    with pytest.raises(EngineUnavailable):
        PyannoteDiarizer(spoiled)
    assert not (tmp_path / "mark").exists()
