"""What a transcription may be asked in 60db's words, and what not; and what the catalogue says of it."""

from __future__ import annotations

from typing import Any

import pytest

from deployments.contracts import SpeakerCount, VocabularyTerm
from serve_app.access.plans import Feature, Plan
from tests.fakes.edge import Edge
from tests.serve_app.dialects.sixtydb import stt

pytestmark = pytest.mark.unit


async def test_the_pipeline_is_asked_for_what_the_form_says(edge: Edge) -> None:
    fields = {
        "language": "auto",
        "languages": "en, en,",
        "diarize": "true",
        "min_speakers": "2",
        "max_speakers": "4",
        "keywords": "Rayscribe:3, New York ,a:b:0.5",
        "script_correction": "true",
    }
    assert (await stt(edge, b"RIFF", **fields)).status_code == 200
    (request,) = edge.pipeline.requests
    assert (request.language, request.candidates) == (None, ("en",))
    assert request.diarize
    assert request.speaker_count == SpeakerCount(minimum=2, maximum=4)
    assert request.vocabulary == (
        VocabularyTerm("Rayscribe", 3.0),
        VocabularyTerm("New York", 1.5),
        VocabularyTerm("a:b", 0.5),
    )
    assert request.max_duration_s == 3600.0
    assert request.numerals
    assert request.script_correction


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        ({"min_speakers": "2", "max_speakers": "1"}, SpeakerCount()),
        ({"diarize": "true", "min_speakers": "0", "max_speakers": "-1"}, SpeakerCount()),
        ({"diarize": "true", "min_speakers": "", "max_speakers": "3"}, SpeakerCount(maximum=3)),
    ],
)
async def test_speaker_numbers_are_read_with_diarize_and_above_zero(
    edge: Edge, fields: dict[str, str], count: SpeakerCount
) -> None:
    assert (await stt(edge, b"RIFF", **fields)).status_code == 200
    assert edge.pipeline.requests[0].speaker_count == count


async def test_the_older_name_of_the_file_is_taken_and_unknown_fields_are_ignored(edge: Edge) -> None:
    response = await stt(edge, b"some audio", part="audio", lid_smoothing="3", language="", context=" ")
    assert response.status_code == 200
    assert edge.pipeline.audio == [b"some audio"]


async def test_two_files_are_refused(edge: Edge) -> None:
    response = await edge.client.post("/stt", files={"file": b"one", "audio": b"two"})
    assert response.status_code == 400


@pytest.mark.parametrize(
    ("fields", "parameter", "code"),
    [
        ({"language": "de"}, "language", "unsupported_language"),
        ({"languages": "en,ur"}, "languages", "unsupported_language"),
        ({"language": "en", "languages": "de"}, "language", "INVALID_PARAMETER"),
        ({"diarize": "perhaps"}, "diarize", "INVALID_PARAMETER"),
        ({"diarize": "true", "min_speakers": "3", "max_speakers": "2"}, "min_speakers", "INVALID_PARAMETER"),
        ({"diarize": "true", "min_speakers": "1000"}, "min_speakers", "INVALID_PARAMETER"),
        ({"diarize": "true", "max_speakers": "1000"}, "max_speakers", "INVALID_PARAMETER"),
        ({"diarize": "true", "max_speakers": "two"}, "max_speakers", "INVALID_PARAMETER"),
        ({"return_timestamps": "segment"}, "return_timestamps", "INVALID_PARAMETER"),
        ({"include_confidence": "2"}, "include_confidence", "INVALID_PARAMETER"),
        ({"keywords": "Rayscribe:11"}, "keywords", "INVALID_PARAMETER"),
        ({"keywords": "Rayscribe:0"}, "keywords", "INVALID_PARAMETER"),
        ({"keywords": "Rayscribe:high"}, "keywords", "INVALID_PARAMETER"),
        ({"keywords": "Rayscribe:nan"}, "keywords", "INVALID_PARAMETER"),
        ({"keywords": "Rayscribe:"}, "keywords", "INVALID_PARAMETER"),
        ({"keywords": ":2"}, "keywords", "INVALID_PARAMETER"),
    ],
)
async def test_what_cannot_be_honoured_is_a_400_that_names_it(
    edge: Edge, fields: dict[str, str], parameter: str, code: str
) -> None:
    response = await stt(edge, b"RIFF", **fields)
    body = response.json()
    assert response.status_code == 400
    assert (body["error_code"], body["details"]["parameter"]) == (code, parameter)
    assert body["success"] is False
    assert parameter in body["error"] == body["message"]
    assert not edge.pipeline.requests


async def test_a_language_that_is_not_spoken_comes_with_those_that_are(edge: Edge) -> None:
    assert (await stt(edge, language="de")).json()["details"]["supported"] == ["en"]


async def test_context_is_left_out_where_the_plan_has_no_refinement(edge: Edge) -> None:
    edge.access.plan = Plan(features=frozenset({Feature.DIARIZATION}))
    answer = (await stt(edge, context="A call")).json()
    assert answer["warning_codes"] == ["llm_refinement_not_in_plan"]
    assert answer["warnings"][0]["affected_segments"] == []


@pytest.mark.parametrize("parts", [{}, {"content": b""}, {"json": {}}, {"files": {"language": (None, "en")}}])
async def test_a_request_without_a_file_says_so(edge: Edge, parts: dict[str, Any]) -> None:
    response = await edge.client.post("/stt", **parts)
    assert response.status_code == 400
    assert response.json() == {
        "success": False,
        "error": "Missing required parameter: file",
        "message": "Missing required parameter: file",
        "error_code": "MISSING_PARAMETER",
        "details": {"parameter": "file"},
    }


async def test_the_catalogue_tells_what_the_profile_can_do(edge: Edge) -> None:
    features = ["speaker_diarization", "word_timestamps", "word_confidence", "keyword_boosting"]
    assert (await edge.client.get("/stt/languages")).json() == {
        "data": {
            "languages": [
                {"code": "auto", "name": "Auto-detect", "native": "Auto-detect", "code_switching": False},
                {"code": "en", "name": "English", "native": "English", "code_switching": False},
            ],
            "total": 1,
            "features": features,
        }
    }
    assert (await edge.client.get("/stt/models")).json() == {
        "success": True,
        "message": "STT models retrieved",
        "data": [
            {
                "id": "60db-stt-v01",
                "model_name": "moonshine-tiny-en",
                "description": "moonshine-tiny-en of the embedded profile",
                "category": "speech-to-text",
                "type": "stt",
                "languages": 1,
                "features": features,
            }
        ],
    }


async def test_the_api_page_describes_every_field(edge: Edge) -> None:
    schema = (await edge.client.get("/openapi.json")).json()
    call = schema["paths"]["/stt"]["post"]
    fields = call["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    assert all(field["description"] for field in fields.values())
    assert all(field["examples"] for name, field in fields.items() if name != "file")
    statuses = {"200", "400", "401", "402", "403", "413", "415", "429", "500", "503"}
    assert statuses <= set(call["responses"])
    for name in ("SttAnswer", "SttSegment", "SttWord", "SttLanguages", "SttModel"):
        described = schema["components"]["schemas"][name]["properties"].values()
        # What a reference points to describes itself.
        assert all("$ref" in field or field["description"] for field in described)
