"""What the start of a live session of 60db may ask, and what not."""

from __future__ import annotations

from typing import Any

import pytest

from deployments.contracts import SpeakerCount, VocabularyTerm
from serve_app.access.plans import Feature, Plan
from serve_app.engine_settings import DiarizationSettings
from serve_app.live.contracts import AudioFormat, Encoding
from serve_app.settings import Settings
from tests.fakes.asgi_socket import AsgiSocket, asgi_socket
from tests.fakes.edge import Edge
from tests.serve_app.dialects.edge_fixtures import socket_to
from tests.serve_app.dialects.sixtydb_live import START, URL

pytestmark = pytest.mark.unit

DIARIZED_IN_FILES = Settings(
    diarization=DiarizationSettings(engine="pyannote", checkpoint="pyannote/speaker-diarization-community-1")
)
socket = socket_to(URL)


async def test_what_a_start_may_say(edge: Edge, socket: AsgiSocket) -> None:
    config = {
        "encoding": "mulaw",
        "sample_rate": 8000,
        "utterance_end_ms": 300,
        "interim_results_frequency": 2000,
        "audio_enhancement": "off",
        "diarize": True,
        "min_speakers": 0,
        "max_speakers": 3,
    }
    context = {"general": [], "text": " ", "terms": ["Rayscribe", " Ray Serve", "Rayscribe", ""]}
    socket.say({"type": "start", "languages": None, "context": context, "config": config})
    started = await socket.read_until("session_started")
    assert started["warnings"] == []
    assert started["language"] == "Auto-detect"
    options = edge.live.sessions[0].options
    assert options.audio == AudioFormat(Encoding.MULAW, 8000)
    assert (options.end_silence_s, options.partials, options.partial_interval_s) == (0.3, True, 2.0)
    assert (options.language, options.diarize, options.speaker_count) == (None, True, SpeakerCount(maximum=3))
    assert options.vocabulary == (VocabularyTerm("Rayscribe", 1.5), VocabularyTerm("Ray Serve", 1.5))
    assert options.numerals


async def test_a_language_that_is_left_empty_is_found_out(edge: Edge, socket: AsgiSocket) -> None:
    socket.say({"type": "start", "languages": [""], "config": {}})
    assert (await socket.read_until("session_started"))["language"] == "Auto-detect"
    assert edge.live.sessions[0].options.language is None


@pytest.mark.parametrize(
    ("config", "hz"), [({}, 16000), ({"encoding": "mulaw"}, 8000), ({"encoding": None, "sample_rate": 48000}, 48000)]
)
async def test_rates_by_default(edge: Edge, socket: AsgiSocket, config: dict[str, Any], hz: int) -> None:
    socket.say({"type": "start", "config": config})
    assert (await socket.read_until("session_started"))["config"]["sample_rate"] == hz
    assert edge.live.sessions[0].options.audio.sample_rate_hz == hz


async def test_partial_texts_can_be_left_out(edge: Edge, socket: AsgiSocket) -> None:
    socket.say({"type": "start", "config": {"interim_results_frequency": None}})
    assert (await socket.read_until("session_started"))["config"]["interim_results_frequency"] is None
    assert not edge.live.sessions[0].options.partials


async def test_partial_texts_do_not_come_faster_than_the_service_gives_them(edge: Edge, socket: AsgiSocket) -> None:
    socket.say({"type": "start", "config": {"interim_results_frequency": 300}})
    started = await socket.read_until("session_started")
    assert started["config"]["interim_results_frequency"] == 800
    assert edge.live.sessions[0].options.partial_interval_s == 0.8


@pytest.mark.parametrize(
    ("change", "parameter"),
    [
        ({"languages": ["xx"]}, "languages"),
        ({"languages": ["auto"]}, "languages"),
        ({"languages": ["en"] * 6}, "languages"),
        ({"languages": "en"}, "languages"),
        ({"config": {"encoding": "opus"}}, "config.encoding"),
        ({"config": {"sample_rate": 11025}}, "config.sample_rate"),
        ({"config": {"utterance_end_ms": 299}}, "config.utterance_end_ms"),
        ({"config": {"interim_results_frequency": 100}}, "config.interim_results_frequency"),
        ({"config": {"audio_enhancement": "light"}}, "config.audio_enhancement"),
        ({"config": {"audio_enhancement": "loud"}}, "config.audio_enhancement"),
        ({"config": {"diarize": True, "max_speakers": 1000}}, "config.max_speakers"),
        ({"config": {"diarize": True, "min_speakers": 1000}}, "config.min_speakers"),
        ({"config": {"diarize": True, "min_speakers": 3, "max_speakers": 2}}, "config.min_speakers"),
        ({"config": []}, "config"),
    ],
)
async def test_a_start_that_cannot_be_honoured(
    edge: Edge, socket: AsgiSocket, change: dict[str, Any], parameter: str
) -> None:
    socket.say(START | change)
    error = await socket.read_until("error")
    assert error["details"]["parameter"] == parameter
    assert error["error"] == error["message"]
    assert not edge.live.sessions
    socket.say(START)
    await socket.read_until("session_started")


async def test_context_is_left_out_where_the_plan_has_no_refinement(edge: Edge) -> None:
    edge.access.plan = Plan(features=frozenset({Feature.DIARIZATION}))
    async with asgi_socket(edge.app, URL) as socket:
        socket.say(START | {"context": {"text": "a call about a modem", "terms": ["modem"]}})
        started = await socket.read_until("session_started")
    assert started["warning_codes"] == ["llm_refinement_not_in_plan"]
    assert edge.live.sessions[0].options.vocabulary == (VocabularyTerm("modem", 1.5),)


async def test_diarization_that_the_plan_lacks(edge: Edge) -> None:
    edge.access.plan = Plan(features=frozenset())
    async with asgi_socket(edge.app, URL) as socket:
        socket.say(START | {"config": {"diarize": True}})
        error = await socket.read_until("error")
    assert (error["error_code"], error["details"]) == ("FEATURE_NOT_IN_PLAN", {"parameter": "config.diarize"})


async def test_diarization_that_the_engine_cannot_do_while_somebody_speaks() -> None:
    async with asgi_socket(Edge(settings=DIARIZED_IN_FILES).app, URL) as socket:
        socket.say(START | {"config": {"diarize": True}})
        error = await socket.read_until("error")
    assert (error["error_code"], error["details"]) == ("UNSUPPORTED_PARAMETER", {"parameter": "config.diarize"})


async def test_what_published_clients_send_without_need_is_said(edge: Edge, socket: AsgiSocket) -> None:
    config = {"audio_enhancement": "adaptive", "no_speech_threshold": 0.6}
    socket.say({"type": "start", "config": config, "model": "60db-stt-v01"})
    started = await socket.read_until("session_started")
    assert [warning["message"].split()[0] for warning in started["warnings"]] == [
        "model",
        "config.no_speech_threshold",
        "The",
    ]
    assert started["warning_codes"] == ["unknown_field", "audio_enhancement_unavailable"]


async def test_of_many_unknown_fields_the_first_are_named(edge: Edge, socket: AsgiSocket) -> None:
    socket.say(START | {f"field_{n}": n for n in range(8)} | {"config": {f"other_{n}": n for n in range(8)}})
    warnings = (await socket.read_until("session_started"))["warnings"]
    told = [warning["message"].split()[0] for warning in warnings]
    assert told == [*(f"field_{n}" for n in range(8)), "config.other_0", "config.other_1", "6"]
