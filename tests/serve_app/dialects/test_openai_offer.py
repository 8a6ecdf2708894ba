"""What the service says that it offers in OpenAI's words: its models, and its page of the API."""

from __future__ import annotations

import openai
import pytest
from openai import AsyncOpenAI

from serve_app.settings import Settings
from tests.fakes.edge import Edge
from tests.fakes.openai_sdk import openai_client
from tests.serve_app.dialects.openai_transcriptions import FILE, PATH

pytestmark = pytest.mark.unit


async def test_the_model_is_the_engine(edge: Edge, sdk: AsyncOpenAI) -> None:
    (model,) = (await sdk.models.list()).data
    assert (model.id, model.object, model.owned_by) == ("moonshine-tiny-en", "model", "rayscribe")
    published = model.model_extra["capabilities"] if model.model_extra else {}
    assert (published["languages"], published["language_detection"], published["prompts"]) == (["en"], False, False)
    assert await sdk.models.retrieve(model.id) == model
    with pytest.raises(openai.NotFoundError) as caught:
        await sdk.models.retrieve("whisper-1")
    assert (caught.value.param, caught.value.code) == ("model", "model_not_found")
    assert (await edge.client.get("/v1/models/org/name")).json()["error"]["code"] == "model_not_found"


async def test_a_checkpoint_is_listed_with_what_its_engine_can_do() -> None:
    checkpoint = "openai/whisper-large-v3-turbo"
    profile = {
        "recognition": {"engine": "whisper", "checkpoint": checkpoint},
        "language": {"engine": "whisper-head", "checkpoint": "openai/whisper-tiny"},
    }
    edge = Edge(settings=Settings.model_validate(profile))
    async with edge.client, openai_client(edge.app) as sdk:
        (model,) = (await sdk.models.list()).data
        assert await sdk.models.retrieve(checkpoint) == model
    published = model.model_extra["capabilities"] if model.model_extra else {}
    assert {"en", "hi", "yue"} <= set(published["languages"])
    assert (published["language_detection"], published["prompts"], published["longest_window_s"]) == (True, True, 30.0)


async def test_translations_are_not_offered(edge: Edge) -> None:
    response = await edge.client.post("/v1/audio/translations", files={"file": FILE}, data={"model": "whisper-1"})
    assert response.status_code == 404


async def test_the_api_page_shows_every_field_with_an_example(edge: Edge) -> None:
    schema = (await edge.client.get("/openapi.json")).json()
    operation = schema["paths"][PATH]["post"]
    body = operation["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    plain = {"file", "model", "language", "prompt", "response_format", "temperature", "stream", "chunking_strategy"}
    parts = {"type", "threshold", "prefix_padding_ms", "silence_duration_ms"}
    lists = {"languages", "keywords", "timestamp_granularities", "include"}
    lists |= {"known_speaker_names", "known_speaker_references"}
    assert set(body) == plain | {f"chunking_strategy[{part}]" for part in parts} | {f"{name}[]" for name in lists}
    answers = [
        schema["components"]["schemas"][name]["properties"]
        for name in ("TextTranscription", "VerboseTranscription", "VerboseSegment", "DiarizedTranscription", "Model")
    ]
    for fields in (body, *answers):
        for name, field in fields.items():
            assert field["description"], name
            assert field.get("examples") or field.get("format") == "binary" or "items" in field or "anyOf" in field, (
                name
            )
    assert {"200", "400", "401", "403", "413", "429", "500", "503"} <= set(operation["responses"])
    assert set(operation["responses"]["200"]["content"]) == {
        "application/json",
        "text/plain",
        "application/x-subrip",
        "text/vtt",
        "text/event-stream",
    }
