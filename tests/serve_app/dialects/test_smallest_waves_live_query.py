"""What the URL of a live session of Smallest's may ask, and what not."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from starlette.datastructures import QueryParams

from deployments.contracts import VocabularyTerm
from serve_app.dialects.smallest_waves_live_query import PathDefaults, WavesLiveQuery, read_query
from serve_app.live.contracts import AudioFormat, Encoding, LiveOptions
from tests.fakes.asgi_socket import asgi_socket
from tests.fakes.edge import Edge
from tests.serve_app.dialects.smallest_waves_live import refused, url_of

pytestmark = pytest.mark.unit


def read(**query: str) -> WavesLiveQuery:
    return read_query(QueryParams({"model": "pulse", **query}), PathDefaults())


def test_what_a_session_is_asked_by_default() -> None:
    assert read().to_options("id") == LiveOptions("id", AudioFormat(Encoding.PCM_S16, 16_000))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"language": "en"}, {"language": "en"}),
        ({"language": ""}, {"language": None, "candidates": ()}),
        ({"language": "multi"}, {"language": None, "candidates": ()}),
        ({"language": "multi-asian"}, {"candidates": ("en", "ja", "ko", "zh", "yue")}),
        ({"encoding": "linear32", "sample_rate": "48000"}, {"audio": AudioFormat(Encoding.PCM_S32, 48_000)}),
        ({"encoding": "mulaw", "sample_rate": "8000"}, {"audio": AudioFormat(Encoding.MULAW, 8_000)}),
        ({"encoding": "alaw"}, {"audio": AudioFormat(Encoding.ALAW, 16_000)}),
        ({"encoding": "opus"}, {"audio": AudioFormat(Encoding.OPUS, 16_000)}),
        ({"encoding": "ogg_opus"}, {"audio": AudioFormat(Encoding.OGG_OPUS, 16_000)}),
        ({"endpointing": "false", "eou_timeout_ms": "100"}, {"endpointing": False, "end_silence_s": 0.1}),
        ({"eou_timeout_ms": "10000"}, {"end_silence_s": 10.0}),
        ({"max_words": "10"}, {"max_words": 10}),
        ({"max_words": "10", "finalize_on_words": "false"}, {"max_words": None}),
        ({"vad_threshold": "0.25"}, {"speech_threshold": 0.25}),
        ({"punctuate": "false"}, {"punctuate": False}),
        ({"format": "false", "itn_normalize": "true", "numerals": "true"}, {"punctuate": False, "numerals": False}),
        ({}, {"numerals": False}),
        ({"itn_normalize": "true"}, {"numerals": True}),
        ({"numerals": "true"}, {"numerals": True}),
        ({"itn_normalize": "true", "numerals": "false"}, {"numerals": False}),
        ({"language": "multi-asian", "itn_normalize": "true"}, {"numerals": True}),
        ({"diarize": "true"}, {"diarize": True}),
        (
            {"keywords": " Rayscribe, Two Words:2,a:b:0.5,"},
            {
                "vocabulary": (
                    VocabularyTerm("Rayscribe", 1.5),
                    VocabularyTerm("Two Words", 3.0),
                    VocabularyTerm("a:b", 0.75),
                )
            },
        ),
        ({"redact_pii": "false", "redact_pci": "", "numerals": "auto", "unknown": "1", "token": "sk"}, {}),
        ({"external_session_id": "call-1_2.3"}, {}),
    ],
)
def test_what_a_session_is_asked(query: dict[str, str], expected: dict[str, Any]) -> None:
    options = read(**query).to_options("id")
    assert {name: getattr(options, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"model": "pulse-pro"}, "model"),
        ({"model": "lightning"}, "model"),
        ({"language": "xx"}, "language"),
        ({"language": "multi-eu"}, "language"),
        ({"encoding": "mp3"}, "encoding"),
        ({"sample_rate": "16001"}, "sample_rate"),
        ({"sample_rate": "fast"}, "sample_rate"),
        ({"word_timestamps": "True"}, "word_timestamps"),
        ({"word_timestamps": "1"}, "word_timestamps"),
        ({"vad": ""}, "vad"),
        ({"vad_threshold": "1"}, "vad_threshold"),
        ({"vad_threshold": "nan"}, "vad_threshold"),
        ({"vad_min_speech_ms": "100"}, "vad_min_speech_ms"),
        ({"eou_timeout_ms": "99"}, "eou_timeout_ms"),
        ({"eou_timeout_ms": "10001"}, "eou_timeout_ms"),
        ({"max_words": "0"}, "max_words"),
        ({"language": "ko", "itn_normalize": "true"}, "itn_normalize"),
        ({"language": "ja", "numerals": "true"}, "numerals"),
        ({"redact_pii": "name,address"}, "redact_pii"),
        ({"redact_pci": "true"}, "redact_pci"),
        ({"keywords": "Word:loud"}, "keywords"),
        ({"keywords": "Word:0"}, "keywords"),
        ({"keywords": "Word:inf"}, "keywords"),
        ({"keywords": ":2"}, "keywords"),
        ({"keywords": ",".join(["a"] * 10_001)}, "keywords"),
        ({"external_session_id": "a b"}, "external_session_id"),
        ({"external_session_id": "a" * 129}, "external_session_id"),
    ],
)
async def test_a_wrong_parameter_is_a_400_that_names_it(edge: Edge, query: dict[str, str], parameter: str) -> None:
    status, body = await refused(edge, **{"model": "pulse", **query})
    assert (status, body["status"], body["errors"][0]["path"]) == (400, "error", [parameter])
    assert str(uuid.UUID(body["request_id"])) == body["request_id"]
    assert edge.live.sessions == []


async def test_model_is_required(edge: Edge) -> None:
    status, body = await refused(edge)
    assert (status, body["errors"][0]["path"]) == (400, ["model"])


async def test_a_parameter_given_twice(edge: Edge) -> None:
    async with asgi_socket(edge.app, url_of(language="en") + "&language=en") as socket:
        body = (await socket.rest())[0]
    assert (socket.status, body["errors"][0]["path"]) == (400, ["language"])
