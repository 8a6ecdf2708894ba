from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from deployments.contracts import RefinementContext, TranscriptionWarning, VocabularyTerm, WarningCode, Word
from serve_app.access.plans import Feature, Plan
from serve_app.engine_settings import LanguageModelSettings, RefinementSettings
from serve_app.live.contracts import Final, Partial
from serve_app.settings import Settings
from tests.fakes.asgi_socket import asgi_socket
from tests.fakes.edge import Edge
from tests.fakes.live import UTTERANCE, WORDS, FakeLiveService, LiveScript
from tests.serve_app.dialects.sixtydb import stt
from tests.serve_app.dialects.sixtydb_live import AUDIO, STOP, URL

pytestmark = pytest.mark.unit

POLISHING = Settings(
    refinement=RefinementSettings(llm=LanguageModelSettings(endpoint_url="http://llm.example/v1", model="polish"))
)
WITHOUT_REFINEMENT = Plan(features=frozenset({Feature.DIARIZATION}))
OBJECT = {
    "general": [{"key": "domain", "value": "cloud"}, {"key": "team", "value": " "}],
    "text": " We run things. ",
    "terms": ["Kubernetes", " Ray Serve", "Kubernetes", ""],
}
ASKED = RefinementContext((("domain", "cloud"),), "We run things.", ("Kubernetes", "Ray Serve"))
TERMS = (VocabularyTerm("Kubernetes", 1.5), VocabularyTerm("Ray Serve", 1.5))


@pytest.fixture
async def polishing() -> AsyncIterator[Edge]:
    built = Edge(settings=POLISHING)
    async with built.client:
        yield built
    assert built.access.visitors == 0


async def answer_of(edge: Edge, **fields: str) -> dict[str, Any]:
    answer: dict[str, Any] = (await stt(edge, **fields)).json()
    return answer


async def test_a_paragraph_is_for_the_language_model(polishing: Edge) -> None:
    answer = await answer_of(polishing, context=" A call about Kubernetes. ")
    assert answer["warning_codes"] == []
    (request,) = polishing.pipeline.requests
    assert request.context == RefinementContext(text="A call about Kubernetes.")
    assert request.vocabulary == ()


async def test_an_object_has_facts_a_text_and_terms(polishing: Edge) -> None:
    await answer_of(polishing, context=json.dumps(OBJECT), keywords="Kubernetes:3")
    (request,) = polishing.pipeline.requests
    assert request.context == ASKED
    assert request.vocabulary == (VocabularyTerm("Kubernetes", 3.0), VocabularyTerm("Ray Serve", 1.5))


async def test_facts_may_be_an_object(polishing: Edge) -> None:
    await answer_of(polishing, context='{"general": {"domain": "cloud"}, "text": null}')
    assert polishing.pipeline.requests[0].context == RefinementContext((("domain", "cloud"),))


@pytest.mark.parametrize(
    ("context", "parameter"),
    [
        ("{not json", "context"),
        ('{"general": ["cloud"]}', "context.general.0"),
        ('{"terms": "Kubernetes"}', "context.terms"),
        ('{"text": 3}', "context.text"),
    ],
)
async def test_a_context_that_cannot_be_read(polishing: Edge, context: str, parameter: str) -> None:
    answer = await answer_of(polishing, context=context)
    assert (answer["error_code"], answer["details"]["parameter"]) == ("INVALID_PARAMETER", parameter)
    assert not polishing.pipeline.requests


async def test_a_fact_without_a_value_is_the_same_mistake_in_a_file_and_in_a_session(polishing: Edge) -> None:
    context = {"general": [{"key": "domain"}]}
    answer = await answer_of(polishing, context=json.dumps(context))
    async with asgi_socket(polishing.app, URL) as socket:
        for _ in range(2):
            await socket.read()
        socket.say({"type": "start", "context": context})
        error = await socket.read()
    missing = "context.general.0.value"
    assert (answer["error_code"], answer["details"]["parameter"]) == ("MISSING_PARAMETER", missing)
    assert (error["error_code"], error["details"]["parameter"]) == ("MISSING_PARAMETER", missing)


@pytest.mark.parametrize(
    "context",
    [
        "A call with Anna Karenina.",
        '{"text": "A call with Anna Karenina."}',
        '{"general": {"guest": "we hear Anna Karenina"}}',
    ],
)
async def test_without_a_model_the_rules_know_the_names_of_a_context_and_say_that_they_are_alone(
    edge: Edge, context: str
) -> None:
    answer = await answer_of(edge, context=context)
    assert answer["warning_codes"] == ["llm_refinement_unavailable"]
    (request,) = edge.pipeline.requests
    assert [term.text for term in request.vocabulary] == ["Anna Karenina", "Anna", "Karenina"]
    assert request.context is not None


async def test_without_a_model_a_session_is_told_at_its_start_that_the_rules_are_alone() -> None:
    live = saying()
    messages = await session(live, START, Settings())
    assert messages[3]["warning_codes"] == ["llm_refinement_unavailable"]
    options = live.sessions[0].options
    assert (options.context, options.vocabulary) == (ASKED, TERMS)


async def test_without_a_model_terms_are_vocabulary(edge: Edge) -> None:
    answer = await answer_of(edge, context='{"terms": ["Kubernetes", "Ray Serve"]}')
    assert answer["warning_codes"] == []
    (request,) = edge.pipeline.requests
    assert (request.context, request.vocabulary) == (None, TERMS)


async def test_a_plan_without_refinement_gets_the_terms_and_a_warning(polishing: Edge) -> None:
    polishing.access.plan = WITHOUT_REFINEMENT
    answer = await answer_of(polishing, context=json.dumps(OBJECT))
    assert answer["warning_codes"] == ["llm_refinement_not_in_plan"]
    (request,) = polishing.pipeline.requests
    assert (request.context, request.vocabulary) == (None, TERMS)


async def test_what_became_of_the_polish_is_told(polishing: Edge) -> None:
    polishing.pipeline.warnings = (TranscriptionWarning(WarningCode.LLM_REFINEMENT_UNAVAILABLE, "too slow"),)
    answer = await answer_of(polishing, context="A call")
    assert answer["warnings"] == [
        {"code": "llm_refinement_unavailable", "message": "too slow", "affected_segments": []}
    ]


START = {"type": "start", "languages": ["en"], "context": OBJECT}
HEARD = Final(0, "Hello there.", WORDS, 0.1, 0.9, "en", snr_db=21.0)
REFINED = replace(HEARD, text="Hello Anna.", words=(Word("Hello", 0.1, 0.4, 0.9), Word("Anna.", 0.5, 0.9, 0.8)))
NEXT = Partial(1, "And", (Word("And", 1.1, 1.4, 0.9),), 1.1, 1.4)
REJECTED = TranscriptionWarning(WarningCode.LLM_REFINEMENT_REJECTED, "not safe")


def saying(*finals: Final | Partial) -> FakeLiveService:
    return FakeLiveService(LiveScript(after_messages={1: (*UTTERANCE[:-1], *finals)}))


async def session(live: FakeLiveService, start: dict[str, Any], settings: Settings = POLISHING) -> list[dict[str, Any]]:
    edge = Edge(settings=settings, live=live)
    async with edge.client, asgi_socket(edge.app, URL) as socket:
        for message in (start, AUDIO, STOP):
            socket.say(message)
        messages: list[dict[str, Any]] = await socket.rest()
    return messages


async def test_a_session_has_the_context(polishing: Edge) -> None:
    live = saying()
    messages = await session(live, START)
    assert messages[3]["warning_codes"] == []
    options = live.sessions[0].options
    assert (options.context, options.vocabulary) == (ASKED, TERMS)


async def test_a_paragraph_starts_a_session_as_well() -> None:
    live = saying()
    await session(live, START | {"context": "We run things."})
    assert live.sessions[0].options.context == RefinementContext(text="We run things.")


@pytest.mark.parametrize("context", [None, {}, {"general": [], "text": " ", "terms": [""]}])
async def test_an_empty_context_asks_for_nothing(context: Any) -> None:
    live = saying()
    await session(live, START | {"context": context})
    assert live.sessions[0].options.context is None


async def test_finals_come_twice_under_one_id() -> None:
    polished = replace(REFINED, polished=True)
    messages = await session(saying(replace(HEARD, is_provisional=True), NEXT, polished), START)
    said = [message for message in messages if message["type"] == "transcription"][2:]
    assert [
        (each["text"], each["sentence_id"], each["is_final"], each["speech_final"], each["llm_applied"])
        for each in said
    ] == [
        ("Hello there.", 1, True, False, False),
        ("And", 2, False, False, False),
        ("Hello Anna.", 1, True, True, True),
    ]
    assert not any("warnings" in each for each in said)


async def test_a_polish_that_was_not_safe_is_told_with_its_final() -> None:
    final = replace(HEARD, polished=True, warnings=(REJECTED,))
    messages = await session(saying(replace(HEARD, is_provisional=True), final), START)
    said = messages[-2]
    assert (said["warnings"], said["warning_codes"]) == (
        [{"code": "llm_refinement_rejected", "message": "not safe"}],
        ["llm_refinement_rejected"],
    )


async def test_the_one_utterance_of_a_session_ends_it_when_it_is_polished() -> None:
    live = saying(replace(HEARD, is_provisional=True), replace(REFINED, polished=True))
    edge = Edge(settings=POLISHING, live=live)
    async with edge.client, asgi_socket(edge.app, URL) as socket:
        socket.say(START | {"config": {"continuous_mode": False}})
        socket.say(AUDIO)
        messages = await socket.rest()
    assert [message.get("text") for message in messages[-3:]] == ["Hello there.", "Hello Anna.", None]
    assert messages[-1]["type"] == "session_stopped"


async def test_the_catalogue_says_whether_text_is_polished(edge: Edge, polishing: Edge) -> None:
    for each, is_there in ((edge, False), (polishing, True)):
        (model,) = (await each.client.get("/stt/models")).json()["data"]
        assert ("llm_refinement" in model["features"]) is is_there


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"endpoint_url": "http://llm.example/v1"},
        {"endpoint_url": "http://llm.example/v1", "model": "polish", "checkpoint": "/models/polish"},
        {"checkpoint": "/models/polish", "compile": True},
        {"endpoint_url": "http://llm.example/v1", "model": "polish", "max_edit_rate": 0},
    ],
)
def test_settings_name_one_model(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="LanguageModelSettings"):
        LanguageModelSettings(**fields)
