from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from openai.types.realtime import ConversationItemInputAudioTranscriptionCompletedEvent

from deployments.contracts import RefinementContext, TranscriptionWarning, VocabularyTerm, WarningCode, Word
from serve_app.access.plans import Feature, Plan
from serve_app.capabilities import recogniser_hints
from serve_app.engine_settings import LanguageModelSettings, RecognitionSettings, RefinementSettings
from serve_app.live.contracts import Final, LiveOptions, SpeechEnded, SpeechStarted
from serve_app.settings import Settings
from tests.fakes.asgi_socket import AsgiSocket, asgi_socket
from tests.fakes.edge import Edge
from tests.fakes.live import UTTERANCE, WORDS, Line, LiveScript
from tests.serve_app.dialects.openai_realtime import APPEND, BUFFER, CLEAR, COMMIT, TEXT, URL, update
from tests.serve_app.dialects.openai_transcriptions import post

pytestmark = pytest.mark.unit

LLM = RefinementSettings(llm=LanguageModelSettings(endpoint_url="http://llm.example/v1", model="polish"))
BIASED = RecognitionSettings(engine="whisper", checkpoint="openai/whisper-large-v3-turbo", languages=("en",))
PROMPT = "We talk about Ray Serve. Anna asks."
WITHOUT_REFINEMENT = Plan(features=frozenset({Feature.DIARIZATION}))


@pytest.fixture
def settings(request: pytest.FixtureRequest) -> Settings:
    made: Settings = request.param
    return made


@pytest.fixture
async def prompted(settings: Settings) -> AsyncIterator[Edge]:
    built = Edge(settings=settings)
    async with built.client:
        yield built


@pytest.mark.parametrize("settings", [Settings(refinement=LLM)], indirect=True)
async def test_a_prompt_is_context_for_the_language_model(prompted: Edge) -> None:
    assert (await post(prompted, prompt=PROMPT)).status_code == 200
    assert prompted.pipeline.requests[0].context == RefinementContext(text=PROMPT)


@pytest.mark.parametrize("settings", [Settings(recognition=BIASED)], indirect=True)
async def test_a_prompt_is_a_hint_for_the_recogniser(prompted: Edge) -> None:
    assert (await post(prompted, prompt=PROMPT)).status_code == 200
    (request,) = prompted.pipeline.requests
    assert (request.context, request.prompt) == (None, PROMPT)


@pytest.mark.parametrize("settings", [Settings(refinement=LLM)], indirect=True)
async def test_a_plan_without_refinement_has_no_prompt(prompted: Edge) -> None:
    prompted.access.plan = WITHOUT_REFINEMENT
    response = await post(prompted, prompt=PROMPT)
    assert (response.status_code, response.json()["error"]["param"]) == (403, "prompt")


@pytest.mark.parametrize("settings", [Settings(refinement=LLM, recognition=BIASED)], indirect=True)
async def test_a_plan_without_refinement_has_the_hint(prompted: Edge) -> None:
    prompted.access.plan = WITHOUT_REFINEMENT
    assert (await post(prompted, prompt=PROMPT)).status_code == 200
    (request,) = prompted.pipeline.requests
    assert (request.context, request.prompt) == (None, PROMPT)


@pytest.mark.parametrize("settings", [Settings()], indirect=True)
async def test_where_nothing_can_use_a_prompt_it_is_refused(prompted: Edge) -> None:
    response = await post(prompted, prompt=PROMPT)
    assert (response.status_code, response.json()["error"]["param"]) == (400, "prompt")
    assert (await post(prompted, prompt=" ")).status_code == 200
    assert prompted.pipeline.requests[0].context is None


def test_hints_are_terms_and_then_the_sentences_of_the_prompt() -> None:
    vocabulary = (VocabularyTerm("Kubernetes"), VocabularyTerm("Ray Serve"))
    hints = recogniser_hints(vocabulary, PROMPT, Settings(recognition=BIASED))
    assert hints == ("Kubernetes", "Ray Serve", "We talk about Ray Serve", "Anna asks")
    assert recogniser_hints(vocabulary, PROMPT, Settings()) == ()


@pytest.mark.timeout(20)
def test_lines_are_sentences_and_blanks_are_none() -> None:
    # Squared work takes minutes for so many.
    prompt = f"Anna asks \n \n Bert{' ' * 200_000}answers. "
    assert recogniser_hints((), prompt, Settings(recognition=BIASED)) == ("Anna asks", f"Bert{' ' * 200_000}answers")


PARAMETER = "session.audio.input.transcription.prompt"


def session(**content: Any) -> dict[str, Any]:
    return update(transcription={"prompt": PROMPT}, **content)


async def options_of_a_session(edge: Edge) -> LiveOptions:
    async with asgi_socket(edge.app, URL) as socket:
        socket.say(session())
        await socket.read_until("session.updated")
        socket.say(APPEND)
        await socket.read_until(f"{TEXT}.completed")
    return edge.live.sessions[0].options


@pytest.mark.parametrize("settings", [Settings(refinement=LLM)], indirect=True)
async def test_so_it_is_in_a_session(prompted: Edge) -> None:
    assert (await options_of_a_session(prompted)).context == RefinementContext(text=PROMPT)


@pytest.mark.parametrize("settings", [Settings(recognition=BIASED)], indirect=True)
async def test_a_sessions_recogniser_has_the_hint(prompted: Edge) -> None:
    options = await options_of_a_session(prompted)
    assert (options.context, options.prompt) == (None, PROMPT)


@pytest.mark.parametrize("settings", [Settings(refinement=LLM, recognition=BIASED)], indirect=True)
async def test_a_sessions_plan_without_refinement_has_the_hint(prompted: Edge) -> None:
    prompted.access.plan = WITHOUT_REFINEMENT
    options = await options_of_a_session(prompted)
    assert (options.context, options.prompt) == (None, PROMPT)


@pytest.mark.parametrize(
    ("settings", "plan", "code"),
    [
        (Settings(), Plan(), "unsupported_parameter"),
        (Settings(refinement=LLM), WITHOUT_REFINEMENT, "feature_not_in_plan"),
    ],
    indirect=["settings"],
)
async def test_a_session_goes_on_without_a_prompt_that_it_cannot_have(prompted: Edge, plan: Plan, code: str) -> None:
    prompted.access.plan = plan
    async with asgi_socket(prompted.app, URL) as socket:
        socket.say(session())
        error = (await socket.read_until("error"))["error"]
        assert (error["param"], error["code"]) == (PARAMETER, code)
        socket.say({"type": "transcription_session.update", "session": {"input_audio_transcription": {"prompt": "x"}}})
        error = (await socket.read_until("error"))["error"]
        assert (error["param"], error["code"]) == ("session.input_audio_transcription.prompt", code)
        socket.say(APPEND)
        await socket.read_until(f"{TEXT}.completed")
    assert prompted.live.sessions[0].options.prompt == ""
    body = {"session": session()["session"]}
    response = await prompted.client.post("/v1/realtime/client_secrets", json=body)
    assert (response.status_code, response.json()["error"]["param"]) == (
        403 if code == "feature_not_in_plan" else 400,
        PARAMETER,
    )


PROVISIONAL = Final(0, "Hello there.", WORDS, 0.1, 0.9, "en", is_provisional=True)
POLISHED = Final(0, "Hello, Ray.", (Word("Hello,", 0.1, 0.4, 0.9), Word("Ray.", 0.5, 0.9, 0.8)), 0.1, 0.9, "en")
YES = (Word("Yes.", 2.1, 2.4, 0.7),)
SECOND = Final(1, "Yes.", YES, 2.1, 2.4, "en", is_provisional=True)
SECOND_POLISHED = replace(SECOND, is_provisional=False)
ASKED = Final(1, "", (), 2.5, 2.5, None, from_finalize=True)


async def told(socket: AsgiSocket, edge: Edge, lines: Sequence[Line], *sent: dict[str, Any]) -> list[Any]:
    """The first two deltas and transcripts, in order."""
    edge.live.script = LiveScript({1: lines}, [[ASKED]])
    for message in sent:
        socket.say(message)
    said: list[Any] = []
    while len(said) < 4:
        message = await socket.read()
        match message["type"].removeprefix(f"{TEXT}."):
            case "delta":
                said.append(message["delta"])
            case "completed":
                said.append((message["transcript"], message["usage"]["seconds"]))
    return said


@pytest.mark.parametrize("settings", [Settings(refinement=LLM)], indirect=True)
async def test_a_transcript_waits_for_its_polish_and_the_next_item_does_not(prompted: Edge) -> None:
    lines: list[Line] = [
        UTTERANCE[0],
        SpeechEnded(0.9),
        PROVISIONAL,
        SpeechStarted(2.1),
        SpeechEnded(2.4),
        SECOND,
        POLISHED,
        SECOND_POLISHED,
    ]
    async with asgi_socket(prompted.app, URL) as socket:
        said = await told(socket, prompted, lines, session(), APPEND)
    assert said == ["Hello there.", "Yes.", ("Hello, Ray.", 0.8), ("Yes.", 0.3)]


@pytest.mark.parametrize("settings", [Settings(refinement=LLM)], indirect=True)
async def test_a_transcript_has_the_warnings_of_all_its_finals_each_once(prompted: Edge) -> None:
    mixed = TranscriptionWarning(WarningCode.INLINE_CODE_SWITCH_PARTIAL, "Two scripts", (0,))
    refused = TranscriptionWarning(WarningCode.LLM_REFINEMENT_REJECTED, "Edits were refused", (0,))
    lines = [replace(PROVISIONAL, warnings=(mixed,)), replace(POLISHED, warnings=(mixed, refused)), SECOND]
    prompted.live.script = LiveScript({1: [*UTTERANCE[:4], *lines, SECOND_POLISHED]})
    async with asgi_socket(prompted.app, URL) as socket:
        for message in (session(), APPEND):
            socket.say(message)
        first, second = [await socket.read_until(f"{TEXT}.completed") for _ in range(2)]
    typed = ConversationItemInputAudioTranscriptionCompletedEvent.model_validate(first)
    assert typed.to_dict()["warnings"] == [
        {"code": "inline_code_switch_partial", "message": "Two scripts"},
        {"code": "llm_refinement_rejected", "message": "Edits were refused"},
    ]
    assert "warnings" not in second


@pytest.mark.parametrize("settings", [Settings(refinement=LLM)], indirect=True)
async def test_an_item_of_several_utterances_waits_for_all(prompted: Edge) -> None:
    # The answer to the commit has no words, and overtakes the model.
    answer = replace(ASKED, utterance=2)
    prompted.live.script = LiveScript({1: [PROVISIONAL, SECOND]}, [[answer, POLISHED, SECOND_POLISHED]])
    async with asgi_socket(prompted.app, URL) as socket:
        for message in (session(turn_detection=None), APPEND, APPEND, APPEND, COMMIT):
            socket.say(message)
        completed = await socket.read_until(f"{TEXT}.completed")
    assert completed["transcript"] == "Hello, Ray. Yes."


@pytest.mark.parametrize("settings", [Settings(refinement=LLM)], indirect=True)
async def test_a_polish_that_was_asked_for_answers_one_commit_only(prompted: Edge) -> None:
    first = replace(PROVISIONAL, from_finalize=True)
    prompted.live.script = LiveScript({}, [[first], [replace(POLISHED, from_finalize=True), ASKED]])
    async with asgi_socket(prompted.app, URL) as socket:
        for message in (session(turn_detection=None), APPEND, COMMIT, APPEND, COMMIT):
            socket.say(message)
        transcripts = [(await socket.read_until(f"{TEXT}.completed"))["transcript"] for _ in range(2)]
    assert transcripts == ["Hello, Ray.", ""]


@pytest.mark.parametrize("settings", [Settings(refinement=LLM)], indirect=True)
async def test_a_polish_of_what_was_cleared_is_not_told(prompted: Edge) -> None:
    prompted.live.script = LiveScript({1: [PROVISIONAL]})
    async with asgi_socket(prompted.app, URL) as socket:
        for message in (session(turn_detection=None), APPEND):
            socket.say(message)
        await socket.read_until(f"{TEXT}.delta")
        socket.say(CLEAR)
        await socket.read_until(f"{BUFFER}.cleared")
        prompted.live.sessions[0].say(POLISHED)
        socket.say(APPEND)
        socket.say(COMMIT)
        committed = await socket.read()
        assert committed["type"] == f"{BUFFER}.committed"
        assert (await socket.read_until(f"{TEXT}.completed"))["transcript"] == ""
