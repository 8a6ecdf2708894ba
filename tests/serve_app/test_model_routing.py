"""Several recognisers in one service: the model that a request names is the one that hears it."""

from __future__ import annotations

from typing import Any

import numpy as np
import openai
import pytest
from pydantic import ValidationError
from ray.serve._private.build_app import build_app as ray_build

from deployments.contracts import RecognizedSpan, TranscriptionRequest, Word
from serve_app.builder import build_app
from serve_app.checkpoints import named_checkpoints
from serve_app.pipeline import Pipeline, StageHandles
from serve_app.settings import Settings, recognizer_deployment
from tests.fakes.edge import Edge
from tests.fakes.openai_sdk import openai_client
from tests.fakes.stages import FakeGraph, FakeStage

pytestmark = pytest.mark.unit

HINDI = "org/moonshine-hi"
AUDIO = np.zeros(10, np.uint8)


def settings_of(**recognizers: Any) -> Settings:
    return Settings.model_validate({"recognizers": recognizers})


def bilingual() -> Settings:
    return settings_of(**{HINDI: {"engine": "moonshine", "checkpoint": HINDI, "languages": ["hi"], "window_s": 5.0}})


def handles() -> StageHandles:
    async def recognize(waveform: Any, spans: Any, task: Any) -> tuple[RecognizedSpan, ...]:
        return tuple(RecognizedSpan(s.span, s.language, (Word("नमस्ते", 0.5, 1.0, 0.9),)) for s in spans)

    graph = FakeGraph()
    return StageHandles(
        graph.decoder,
        graph.speech_gate,
        graph.language_identifier,
        graph.recognizer,
        graph.diarizer,
        graph.refiner,
        {HINDI: FakeStage(recognize=recognize)},
    )


@pytest.mark.parametrize(("model", "language"), [(HINDI, "hi"), (None, "en"), ("whisper-1", "en")])
async def test_a_model_is_heard_by_its_own_recogniser_in_its_language(model: str | None, language: str) -> None:
    transcript = await Pipeline(handles(), bilingual()).transcribe(TranscriptionRequest("req_1", model=model), AUDIO)
    assert transcript.language == language
    assert ("नमस्ते" in transcript.text) == (language == "hi")
    assert transcript.detection.lid_calls == 0


def test_settings_are_seen_with_the_recogniser_of_the_model() -> None:
    settings = bilingual()
    assert settings.serving(HINDI).recognition.resolved_window_s() == 5.0
    assert settings.serving(HINDI).live is settings.live
    assert settings.serving("whisper-1") is settings.serving(None) is settings
    assert [checkpoint.stage for checkpoint in named_checkpoints(settings)] == [f"recognition: {HINDI}"]


def test_every_recogniser_is_a_deployment_of_its_own() -> None:
    app = build_app(bilingual())
    built = ray_build(app, name="rayscribe", default_runtime_env={}, make_deployment_handle=lambda *_: None)
    names = {deployment.name for deployment in built.deployments}
    assert {"Recognizer", "Recognizer-org-moonshine-hi"} <= names
    assert recognizer_deployment(HINDI) == "Recognizer-org-moonshine-hi"


def test_two_models_cannot_be_one_deployment() -> None:
    whisper = {"engine": "whisper", "checkpoint": "openai/whisper-tiny.en"}
    with pytest.raises(ValidationError, match="the same deployment"):
        settings_of(**{"a/b": whisper, "A-b": whisper})


def test_languages_are_told_apart_where_one_recogniser_speaks_several() -> None:
    assert bilingual().identified_languages() == {"en"}
    whisper = {"engine": "whisper", "checkpoint": "openai/whisper-tiny"}
    with pytest.raises(ValidationError, match="single-language"):
        settings_of(whisper=whisper)
    head = {"engine": "whisper-head", "checkpoint": "openai/whisper-tiny"}
    settings = Settings.model_validate({"recognizers": {"whisper": whisper}, "language": head})
    assert {"en", "hi", "de"} <= settings.identified_languages()


async def test_openai_lists_the_models_and_asks_each_what_it_can_do() -> None:
    edge = Edge(settings=bilingual())
    async with edge.client, openai_client(edge.app) as sdk:
        listed = (await sdk.models.list()).data
        assert [model.id for model in listed] == ["moonshine-tiny-en", HINDI]
        assert await sdk.models.retrieve(HINDI) == listed[1]
        file = ("a.wav", b"RIFF")
        await sdk.audio.transcriptions.create(file=file, model=HINDI, language="hi")
        assert edge.pipeline.requests[0].model == HINDI
        for model, language in ((HINDI, "en"), ("moonshine-tiny-en", "hi")):
            with pytest.raises(openai.BadRequestError) as caught:
                await sdk.audio.transcriptions.create(file=file, model=model, language=language)
            assert caught.value.param == "language"
