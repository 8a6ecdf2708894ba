"""How much may be told of a recording, in the words of each dialect."""

from __future__ import annotations

import json
from typing import Any

import pytest

from serve_app.vocabulary_limits import MOST_CONTEXT_CHARACTERS, MOST_TERM_CHARACTERS, MOST_TERMS
from tests.fakes.asgi_socket import asgi_socket
from tests.fakes.edge import Edge
from tests.serve_app.dialects import openai_realtime, sixtydb_live
from tests.serve_app.dialects.openai_realtime import update
from tests.serve_app.dialects.openai_transcriptions import post
from tests.serve_app.dialects.sixtydb import stt
from tests.serve_app.dialects.smallest_waves_live import refused

pytestmark = pytest.mark.unit

MOST = [f"t{at}" for at in range(MOST_TERMS)]
LONGEST = "x" * MOST_TERM_CHARACTERS
TEXT = "x" * MOST_CONTEXT_CHARACTERS
TRANSCRIPTION = f"{openai_realtime.INPUT}.transcription"


async def test_so_many_are_taken_in_a_form_of_openai(edge: Edge) -> None:
    fields: dict[str, Any] = {"keywords[]": [*MOST[1:], LONGEST]}
    assert (await post(edge, **fields)).status_code == 200
    assert len(edge.pipeline.requests[0].vocabulary) == MOST_TERMS


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"keywords[]": [*MOST, "one more"]}, "keywords"),
        ({"keywords[]": ["Ray", LONGEST + "x"]}, "keywords.1"),
        ({"prompt": TEXT + "x"}, "prompt"),
    ],
    ids=["terms", "term", "context"],
)
async def test_more_in_a_form_of_openai(edge: Edge, fields: dict[str, Any], param: str) -> None:
    response = await post(edge, **fields)
    assert (response.status_code, response.json()["error"]["param"]) == (400, param)
    assert not edge.pipeline.requests


async def test_so_many_are_taken_in_a_session_of_openai(edge: Edge) -> None:
    async with asgi_socket(edge.app, openai_realtime.URL) as socket:
        socket.say(update(transcription={"keywords": [*MOST[1:], LONGEST]}))
        await socket.read_until("session.updated")


@pytest.mark.parametrize(
    ("transcription", "param"),
    [
        ({"keywords": [*MOST, "one more"]}, f"{TRANSCRIPTION}.keywords"),
        ({"keywords": ["Ray", LONGEST + "x"]}, f"{TRANSCRIPTION}.keywords.1"),
        ({"prompt": TEXT + "x"}, f"{TRANSCRIPTION}.prompt"),
    ],
    ids=["terms", "term", "context"],
)
async def test_more_in_a_session_of_openai(edge: Edge, transcription: dict[str, Any], param: str) -> None:
    async with asgi_socket(edge.app, openai_realtime.URL) as socket:
        socket.say(update(transcription=transcription))
        assert (await socket.read_until("error"))["error"]["param"] == param


async def test_so_many_are_taken_in_a_form_of_60db(edge: Edge) -> None:
    context = json.dumps({"terms": MOST[1:], "general": {"k" * 10: TEXT[20:]}, "text": "x" * 10})
    assert (await stt(edge, keywords=LONGEST + ":3", context=context)).status_code == 200
    assert len(edge.pipeline.requests[0].vocabulary) == MOST_TERMS


@pytest.mark.parametrize(
    ("fields", "parameter"),
    [
        ({"keywords": ",".join([*MOST, "one more"])}, "keywords"),
        ({"keywords": f"Ray,{LONGEST}x:3"}, "keywords"),
        ({"context": json.dumps({"terms": [*MOST, "one more"]})}, "context.terms"),
        ({"context": json.dumps({"terms": MOST}), "keywords": "one more"}, "context.terms"),
        ({"context": json.dumps({"terms": ["Ray", LONGEST + "x"]})}, "context.terms.1"),
        ({"context": TEXT + "x"}, "context"),
        ({"context": json.dumps({"general": {"domain": TEXT[10:]}, "text": TEXT[-5:]})}, "context"),
    ],
    ids=["keywords", "keyword", "terms", "terms and keywords", "term", "paragraph", "facts and text"],
)
async def test_more_in_a_form_of_60db(edge: Edge, fields: dict[str, str], parameter: str) -> None:
    response = await stt(edge, **fields)
    assert (response.status_code, response.json()["details"]["parameter"]) == (400, parameter)
    assert not edge.pipeline.requests


@pytest.mark.parametrize(
    ("context", "parameter"),
    [
        ({"terms": [*MOST, "one more"]}, "context.terms"),
        ({"terms": ["Ray", LONGEST + "x"]}, "context.terms.1"),
        ({"text": TEXT + "x"}, "context"),
        (TEXT + "x", "context"),
    ],
    ids=["terms", "term", "text", "paragraph"],
)
async def test_more_in_a_session_of_60db(edge: Edge, context: Any, parameter: str) -> None:
    async with asgi_socket(edge.app, sixtydb_live.URL) as socket:
        socket.say(sixtydb_live.START | {"context": context})
        assert (await socket.read_until("error"))["details"]["parameter"] == parameter
        socket.say(sixtydb_live.START | {"context": {"terms": MOST, "text": TEXT}})
        await socket.read_until("session_started")


@pytest.mark.parametrize("keywords", [",".join([*MOST, "one more"]), f"Ray,{LONGEST}x:2"], ids=["keywords", "keyword"])
async def test_more_in_a_handshake_of_waves(edge: Edge, keywords: str) -> None:
    status, body = await refused(edge, model="pulse", keywords=keywords)
    assert (status, body["errors"][0]["path"]) == (400, ["keywords"])


async def test_a_run_of_capitals_is_no_name(edge: Edge) -> None:
    await stt(edge, context="We hear " + "ANNA " * 30)
    assert [term.text for term in edge.pipeline.requests[0].vocabulary] == ["ANNA"]


@pytest.mark.parametrize(
    ("message", "parameter"),
    [
        (sixtydb_live.START | {"context": {"general": [1] * 5000}}, "context.general.0"),
        (sixtydb_live.START | {"context": {"terms": [1] * 5000}}, "context.terms.0"),
        (sixtydb_live.START | {"languages": [1] * 5000}, "languages.0"),
        ({"type": "config", **{f"field {at}": at for at in range(5000)}}, "body"),
    ],
    ids=["facts", "terms", "languages", "fields"],
)
async def test_of_a_message_full_of_mistakes_the_first_is_told_or_their_number(
    edge: Edge, message: dict[str, Any], parameter: str
) -> None:
    async with asgi_socket(edge.app, sixtydb_live.URL) as socket:
        socket.say(message)
        error = await socket.read_until("error")
    assert error["details"]["parameter"] == parameter
    assert ("5000 mistakes" in error["message"]) is (parameter == "body")
