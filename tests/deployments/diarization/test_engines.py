"""Engines by name: what they promise, and what they refuse to be told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from deployments.checkpoints.cache import CheckpointCache
from deployments.checkpoints.source import CheckpointSource
from deployments.contracts import SAMPLE_RATE_HZ
from deployments.diarization.engines import (
    DEFAULT_ENGINE,
    DiarizationEngineOptions,
    diarization_capabilities,
    load_diarization_engine,
)
from deployments.errors import EngineUnavailable
from deployments.stopping import never
from deployments.torch_runtime import Precision, TorchSettings

pytestmark = pytest.mark.unit

FOLDER = CheckpointSource("/a/folder")


def test_the_default_promises_voiceprints() -> None:
    assert diarization_capabilities(DEFAULT_ENGINE, DiarizationEngineOptions()).voiceprints


@pytest.mark.engine
def test_the_default_has_the_voiceprints_that_it_promises() -> None:
    engine = load_diarization_engine(DEFAULT_ENGINE, DiarizationEngineOptions(torch=TorchSettings(threads=2)))
    assert engine.voiceprint(np.zeros(SAMPLE_RATE_HZ, np.float32), never) is None


def test_pyannote_promises_no_voiceprints() -> None:
    assert not diarization_capabilities("pyannote", DiarizationEngineOptions(checkpoint=FOLDER)).voiceprints


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(EngineUnavailable, match=DEFAULT_ENGINE):
        diarization_capabilities("nobody", DiarizationEngineOptions())


@pytest.mark.parametrize(
    ("name", "options"),
    [
        (DEFAULT_ENGINE, DiarizationEngineOptions(checkpoint=FOLDER)),
        (DEFAULT_ENGINE, DiarizationEngineOptions(torch=TorchSettings(device="cuda"))),
        (DEFAULT_ENGINE, DiarizationEngineOptions(torch=TorchSettings(precision=Precision.FLOAT16))),
        (DEFAULT_ENGINE, DiarizationEngineOptions(embedding_batch=4)),
        ("community1-torch", DiarizationEngineOptions(torch=TorchSettings(compile=True))),
        ("pyannote", DiarizationEngineOptions(checkpoint=FOLDER, torch=TorchSettings(compile=True))),
        ("pyannote", DiarizationEngineOptions(checkpoint=FOLDER, torch=TorchSettings(precision=Precision.BFLOAT16))),
        ("pyannote", DiarizationEngineOptions()),
    ],
)
def test_what_an_engine_cannot_heed_is_refused(name: str, options: DiarizationEngineOptions) -> None:
    with pytest.raises(EngineUnavailable, match=name):
        diarization_capabilities(name, options)


def test_a_checkpoint_that_is_not_there_is_named(tmp_path: Path) -> None:
    options = DiarizationEngineOptions(CheckpointSource(str(tmp_path / "none")), CheckpointCache(tmp_path / "cache"))
    with pytest.raises(EngineUnavailable, match="none"):
        load_diarization_engine("community1-torch", options)
