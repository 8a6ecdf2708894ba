from __future__ import annotations

from pathlib import Path

import pytest
from platformdirs import user_cache_path
from pydantic import ValidationError

from deployments.checkpoints.source import CheckpointSource
from deployments.torch_runtime import Precision, TorchSettings
from serve_app.settings import Settings

pytestmark = pytest.mark.unit

WHISPER = {"engine": "whisper", "checkpoint": "openai/whisper-small"}
HEAD = {"engine": "whisper-head", "checkpoint": "openai/whisper-tiny"}


def test_every_engine_is_told_what_its_section_says() -> None:
    weights = {"revision": "v1", "device": "cuda:1", "precision": "float16", "compile": True, "threads": 2}
    settings = Settings.model_validate({"recognition": {**WHISPER, **weights}, "language": {**HEAD, "batch_clips": 4}})
    cache = settings.checkpoint_cache()
    recognition = settings.recognition.options(cache)
    assert recognition.checkpoint == CheckpointSource("openai/whisper-small", "v1")
    assert recognition.torch == TorchSettings("cuda:1", Precision.FLOAT16, 2, compile=True)
    assert recognition.cache == cache
    language = settings.language.options(frozenset({"en"}), cache)
    assert (language.checkpoint, language.batch_clips) == (CheckpointSource("openai/whisper-tiny"), 4)


def test_where_models_are_kept() -> None:
    default = Settings().checkpoint_cache()
    assert default.folder == user_cache_path("rayscribe", appauthor=False) / "models"
    assert not default.offline
    told = Settings.model_validate(
        {
            "models": {"folder": "~/weights", "offline": True, "hub_endpoint": "http://mirror"},
            "sources": {"s3": {"endpoint_url": "http://s3", "region": "eu"}},
        }
    ).checkpoint_cache()
    assert (told.folder, told.offline, told.hub_endpoint) == (Path.home() / "weights", True, "http://mirror")
    assert (told.s3_endpoint_url, told.s3_region) == ("http://s3", "eu")


ENDPOINT = {"endpoint_url": "http://vllm:8000/v1", "model": "gemma"}


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"recognition": {"engine": "whispr"}}, "No recognition engine is called 'whispr'"),
        ({"recognition": {"engine": "whisper"}}, "The engine whisper needs a checkpoint"),
        ({"recognition": {"revision": "v1"}}, "a revision needs a checkpoint"),
        ({"recognition": {"checkpoint": "org/name"}}, "brings its own weights"),
        ({"recognition": {"device": "cuda"}}, "brings its own weights"),
        ({"recognition": {**WHISPER, "beams": 2}}, "beams do not apply"),
        ({"recognition": {**WHISPER, "checkpoint": "whisper"}}, "neither a hub's org/name"),
        ({"recognition": {**WHISPER, "window_s": 31}}, "window_s is longer than 30 s"),
        ({"recognition": {**WHISPER, "precision": "float8"}}, "Input should be 'auto'"),
        ({"recognition": WHISPER}, "and this one has 99; whisper-head tells languages apart"),
        ({"language": {"engine": "whisper-head"}}, "whisper-head needs a multilingual Whisper checkpoint"),
        ({"language": {"threads": 2}}, "has no weights"),
        ({"language": {"batch_clips": 4, "switch_nats": 0}}, "batch_clips, switch_nats does not apply to single-lang"),
        ({"diarization": {"engine": "pyannote"}}, "pyannote needs a checkpoint"),
        ({"diarization": {"device": "cuda"}}, "brings its own weights"),
        ({"refinement": {"llm": {"model": "gemma"}}}, "needs an endpoint_url or a checkpoint"),
        ({"refinement": {"llm": {**ENDPOINT, "device": "cuda", "batch_size": 4}}}, "batch_size, device does not apply"),
        ({"refinement": {"llm": {"checkpoint": "org/name", "model": "gemma"}}}, "model does not apply to a checkpoint"),
    ],
)
def test_what_no_engine_could_be_is_refused_before_the_start(settings: dict[str, object], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        Settings.model_validate(settings)


def test_one_stated_language_needs_no_identifier() -> None:
    settings = Settings.model_validate({"recognition": {**WHISPER, "languages": ["hi"]}})
    assert settings.recognition.capabilities().languages == {"hi"}
