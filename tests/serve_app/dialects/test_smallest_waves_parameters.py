"""Where the Waves API is, what it may be asked, and what not."""

from __future__ import annotations

import uuid

import pytest

from serve_app.dialects.smallest_waves_query import LANGUAGE_SETS
from tests.fakes.edge import Edge
from tests.serve_app.dialects.smallest_waves import HOOK, LEGACY, PATH, stt

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("path", ["/waves/v1/stt/", "/waves/v1/stt"])
async def test_the_slash_at_the_end_does_not_matter(edge: Edge, path: str) -> None:
    assert (await stt(edge, path=path)).status_code == 200


@pytest.mark.parametrize("path", LEGACY)
async def test_older_paths_need_no_model(edge: Edge, path: str) -> None:
    for query in ({}, {"model": "pulse"}, {"model": "lightning"}):
        response = await edge.client.post(path, params=query, content=b"RIFF", headers={"content-type": "audio/wav"})
        assert (response.status_code, "utterances" in response.json()) == (200, True)
    assert (await edge.client.post(path, params={"model": "nova"}, content=b"RIFF")).status_code == 400


async def test_without_a_content_type_the_body_is_audio(edge: Edge) -> None:
    response = await edge.client.post(PATH, params={"model": "pulse"}, content=b"RIFF")
    assert response.status_code == 200


async def test_a_missing_model_is_named_with_the_models(edge: Edge) -> None:
    response = await edge.client.post(PATH, content=b"RIFF")
    body = response.json()
    message = "Missing required query param: model. Supported values: pulse | pulse-pro."
    assert response.status_code == 400
    uuid.UUID(body.pop("request_id"))
    assert body == {
        "status": "error",
        "error": message,
        "message": message,
        "error_code": "MISSING_PARAMETER",
        "errors": [{"code": "MISSING_PARAMETER", "path": ["model"], "message": message}],
    }


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"model": "nova"}, "model"),
        ({"language": "de"}, "language"),
        ({"language": "multi-eu"}, "language"),
        ({"language": "multi-indic"}, "language"),
        ({"language": "multi-asian"}, "language"),
        ({"word_timestamps": "1"}, "word_timestamps"),
        ({"word_timestamps": "True"}, "word_timestamps"),
        ({"diarize": ""}, "diarize"),
        ({"model": "pulse-pro", "diarize": "true"}, "diarize"),
        ({"redact_pii": "true"}, "redact_pii"),
        ({"redact_pci": "true"}, "redact_pci"),
        ({"emotion_detection": "true"}, "emotion_detection"),
        ({"gender_detection": "true"}, "gender_detection"),
        ({"webhook_url": HOOK, "webhook_method": "PUT"}, "webhook_method"),
        ({"webhook_method": "POST"}, "webhook_method"),
        ({"webhook_extra": "a:b"}, "webhook_extra"),
        ({"encoding": "linear16"}, "encoding"),
    ],
)
async def test_what_cannot_be_honoured_is_a_400_that_names_it(
    edge: Edge, query: dict[str, str], parameter: str
) -> None:
    response = await stt(edge, b"RIFF", **query)
    body = response.json()
    assert response.status_code == 400
    assert body["errors"][0]["path"] == [parameter]
    assert body["error"] == body["message"] == body["errors"][0]["message"]
    assert parameter in body["error"]
    assert not edge.pipeline.requests


async def test_a_parameter_given_twice_is_refused(edge: Edge) -> None:
    response = await edge.client.post(PATH + "?model=pulse&language=en&language=hi", content=b"RIFF")
    assert response.json()["errors"][0]["path"] == ["language"]


async def test_a_language_that_is_not_spoken_comes_with_those_that_are(edge: Edge) -> None:
    for language in ("de", "multi-eu"):
        assert (await stt(edge, language=language)).json()["supported"] == ["en"]


@pytest.mark.parametrize("query", [{"language": "multi"}, {}, {"language": ""}])
async def test_multi_finds_out_among_all_languages(edge: Edge, query: dict[str, str]) -> None:
    assert (await stt(edge, b"RIFF", **query)).status_code == 200
    (request,) = edge.pipeline.requests
    assert (request.language, request.candidates) == (None, ())


def test_the_sets_of_languages_are_the_vendors() -> None:
    assert {name: len(languages) for name, languages in LANGUAGE_SETS.items()} == {
        "multi-eu": 8,
        "multi-indic": 11,
        "multi-asian": 5,
    }


async def test_off_is_always_possible_and_the_unknown_is_ignored(edge: Edge) -> None:
    off = dict.fromkeys(("redact_pii", "redact_pci", "emotion_detection", "gender_detection"), "false")
    response = await stt(edge, b"RIFF", **off, age_detection="true", encoding="wav", tier="gold")
    assert response.status_code == 200


async def test_the_api_page_describes_every_parameter(edge: Edge) -> None:
    schema = (await edge.client.get("/openapi.json")).json()
    call = schema["paths"][PATH]["post"]
    assert all(each["description"] and "example" in each for each in call["parameters"])
    assert [each["name"] for each in call["parameters"] if each["required"]] == ["model"]
    assert {"200", "400", "401", "403", "413", "429", "500", "503"} <= set(call["responses"])
    assert schema["paths"][LEGACY[0]]["post"]["deprecated"]
