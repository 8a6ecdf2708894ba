"""The self-hosted API's answers, and what it may be asked."""

from __future__ import annotations

import json

import pytest

from deployments.contracts import SpeakerCount, TranscriptionWarning, WarningCode
from serve_app.dialects.registry import CALLBACK_FORMS
from serve_app.jobs.contracts import Callback, JobFailure
from tests.fakes.edge import Edge
from tests.serve_app.dialects.smallest_selfhost import listen

pytestmark = pytest.mark.unit


async def test_the_plain_answer_has_the_documented_fields_and_no_others(edge: Edge) -> None:
    answer = (await listen(edge)).json()
    assert answer.pop("request_id") == edge.pipeline.requests[0].request_id
    assert answer == {"text": "Hello, there. Yes.", "confidence": 0.8, "duration": 1.5, "language": "en"}


async def test_the_pipeline_gets_the_bytes_and_the_options(edge: Edge) -> None:
    await listen(edge, b"some audio", diarize="true", num_speakers="2", punctuate="false", language="auto")
    assert edge.pipeline.audio == [b"some audio"]
    (request,) = edge.pipeline.requests
    assert request.diarize
    assert not request.punctuate
    assert request.language is None
    assert request.speaker_count == SpeakerCount(exact=2)


async def test_words_stand_apart_from_their_punctuation(edge: Edge) -> None:
    answer = (await listen(edge, timestamps="true")).json()
    assert answer["words"][:2] == [
        {"word": "Hello", "start": 0.1, "end": 0.4, "confidence": 0.9},
        {"word": ",", "start": 0.4, "end": 0.4, "confidence": 1.0},
    ]
    assert [entry["word"] for entry in answer["words"]] == ["Hello", ",", "there", ".", "Yes", "."]
    assert "speakers" not in answer


async def test_speakers_are_turns(edge: Edge) -> None:
    answer = (await listen(edge, diarize="true")).json()
    assert answer["speakers"] == [
        {"speaker": "SPEAKER_00", "text": "Hello, there.", "start": 0.0, "end": 0.95},
        {"speaker": "SPEAKER_01", "text": "Yes.", "start": 0.95, "end": 1.4},
    ]
    assert "words" not in answer


async def test_words_name_their_speaker_when_speakers_are_asked_for(edge: Edge) -> None:
    answer = (await listen(edge, timestamps="true", diarize="true")).json()
    speakers = [(entry["word"], entry["speaker"]) for entry in answer["words"]]
    assert speakers[0] == ("Hello", "SPEAKER_00")
    assert speakers[-1] == (".", "SPEAKER_01")


async def test_warnings_are_there_when_there_are_any(edge: Edge) -> None:
    edge.pipeline.warnings = (TranscriptionWarning(WarningCode.AUDIO_TRUNCATED, "cut short"),)
    answer = (await listen(edge)).json()
    assert answer["warnings"] == [{"code": "audio_truncated", "message": "cut short"}]


@pytest.mark.parametrize(
    ("fields", "parameter"),
    [
        ({"language": "xx"}, "language"),
        ({"language": "de"}, "language"),
        ({"diarize": "maybe"}, "diarize"),
        ({"diarize": "true", "num_speakers": "two"}, "num_speakers"),
        ({"diarize": "true", "num_speakers": "0"}, "num_speakers"),
        ({"diarize": "true", "num_speakers": "1000"}, "num_speakers"),
        ({"num_speakers": "2"}, "num_speakers"),
        ({"timestamps": "1.5"}, "timestamps"),
        ({"model": "nova"}, "model"),
    ],
)
async def test_a_wrong_parameter_is_a_400_that_names_it(edge: Edge, fields: dict[str, str], parameter: str) -> None:
    response = await listen(edge, b"RIFF", **fields)
    body = response.json()
    assert response.status_code == 400
    assert body["code"] == "INVALID_PARAMETER"
    assert body["parameter"] == parameter
    assert parameter in body["error"]
    assert not edge.pipeline.requests


async def test_what_is_left_empty_is_as_if_it_were_not_there(edge: Edge) -> None:
    assert (await listen(edge, language="", diarize="", num_speakers="", callback_url="")).status_code == 200
    edge.sources.files["https://example.com/call.wav"] = b"RIFF"
    body = {"url": "https://example.com/call.wav", "language": "", "callback_url": ""}
    assert (await edge.client.post("/v1/listen", json=body)).status_code == 200
    assert [request.language for request in edge.pipeline.requests] == ["en", "en"]


async def test_an_unknown_language_lists_the_known_ones(edge: Edge) -> None:
    assert (await listen(edge, language="de")).json()["supported"] == ["en"]


HOOK = "https://example.com/hook"


async def test_a_callback_is_answered_with_a_job(edge: Edge) -> None:
    response = await listen(edge, b"some audio", callback_url=HOOK, timestamps="true")
    assert response.json() == {"job_id": "job_0", "status": "processing"}
    job = edge.jobs.jobs["job_0"]
    assert job.order.callback == Callback(HOOK)
    assert edge.jobs.audio["job_0"] == b"some audio"
    assert edge.pipeline.requests == []


async def test_the_webhook_carries_the_whole_answer(edge: Edge) -> None:
    plain = (await listen(edge, timestamps="true")).json()
    await listen(edge, callback_url=HOOK, timestamps="true")
    job = edge.jobs.jobs["job_0"]
    transcript = edge.meter.transcripts[0]
    body = CALLBACK_FORMS["smallest_selfhost"].completed(job, transcript)
    assert json.loads(json.dumps(body)) == {"job_id": "job_0", "status": "completed", "result": plain}
    failed = CALLBACK_FORMS["smallest_selfhost"].failed(job, JobFailure("UnsupportedAudio", "no audio was found"))
    assert failed == {"job_id": "job_0", "status": "failed", "error": "no audio was found"}


async def test_the_api_page_shows_every_field(edge: Edge) -> None:
    schema = (await edge.client.get("/openapi.json")).json()
    body = schema["paths"]["/v1/listen"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    options = {"language", "punctuate", "diarize", "num_speakers", "timestamps", "url", "callback_url"}
    assert set(body["properties"]) == {"audio", *options}
    assert body["additionalProperties"] is False
    assert {"200", "400", "415", "422", "503"} <= set(schema["paths"]["/v1/listen"]["post"]["responses"])
