from __future__ import annotations

import asyncio
import uuid
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from deployments.contracts import VocabularyTerm, Word
from deployments.errors import (
    ClientTooFast,
    ConcurrencyLimitReached,
    FeatureNotInPlan,
    InsufficientCredits,
    InvalidParameter,
    Overloaded,
    RateLimitReached,
    RayscribeError,
    SessionIdle,
    SessionTooLong,
    StageLost,
    UnsupportedAudio,
)
from serve_app.access.plans import Plan
from serve_app.dialects.smallest_waves_live_query import PathDefaults, WavesLiveQuery, read_query
from serve_app.live.contracts import (
    AudioFormat,
    Encoding,
    Final,
    LiveEvent,
    LiveOptions,
    Partial,
    SpeechEnded,
    SpeechStarted,
)
from tests.fakes.asgi_socket import AsgiSocket, asgi_socket
from tests.fakes.edge import Edge
from tests.fakes.live import EMPTY_FINAL, UTTERANCE, WORDS, LiveScript

pytestmark = pytest.mark.unit

PATH = "/waves/v1/stt/live"
LEGACY = ["/waves/v1/pulse/get_text", "/api/v1/pulse/get_text", "/api/v1/lightning/get_text"]
SELFHOST = "/v1/listen/stream"

FINALIZE = {"type": "finalize"}
CLOSE = {"type": "close_stream"}

FINAL = Final(1, "Yes.", (Word("Yes.", 1.0, 1.3, 0.7),), 1.0, 1.3, "en")


def url_of(path: str = PATH, **query: str) -> str:
    return f"{path}?{urlencode({'model': 'pulse', **query})}"


async def said(edge: Edge, *messages: Any, path: str = PATH, **query: str) -> list[dict[str, Any]]:
    """Everything a session says to a client that says the messages and waits for the end."""
    async with asgi_socket(edge.app, url_of(path, **query)) as socket:
        for message in messages:
            socket.say(message)
        answers = await socket.rest()
    assert (socket.status, socket.close_code) == (None, 1000)
    return answers


async def refused(edge: Edge, path: str = PATH, /, **query: str) -> tuple[int | None, dict[str, Any]]:
    async with asgi_socket(edge.app, f"{path}?{urlencode(query)}") as socket:
        bodies = await socket.rest()
    return socket.status, bodies[0]


def asked(edge: Edge) -> LiveOptions:
    return edge.live.sessions[-1].options


def follow(edge: Edge, *, first: Any = UTTERANCE, finalize: Any = (), close: Any = ()) -> None:
    edge.live.script = LiveScript({1: first}, finalize, close)


async def test_a_session_has_the_vendors_fields_and_no_others(edge: Edge) -> None:
    answers = await said(edge, b"audio", CLOSE, language="en")
    partial, longer, final = answers
    session_id = final["session_id"]
    assert str(uuid.UUID(session_id)) == asked(edge).request_id == session_id
    assert partial == {
        "type": "transcription",
        "status": "success",
        "session_id": session_id,
        "transcript": "Hello",
        "transcription": "Hello",
        "is_final": False,
        "is_last": False,
    }
    assert longer == {**partial, "transcript": "Hello there.", "transcription": "Hello there."}
    assert final == {**longer, "is_final": True, "is_last": True, "language": "en", "languages": ["en"]}
    assert edge.live.sessions[0].audio == b"audio"


async def test_what_is_asked_for_is_told(edge: Edge) -> None:
    follow(edge, close=[FINAL])
    wanted = dict.fromkeys(["word_timestamps", "sentence_timestamps", "full_transcript", "vad_events"], "true")
    started, partial, _, ended, first, last = await said(edge, b"audio", CLOSE, **wanted)
    session_id = started["session_id"]
    assert started == {"type": "speech_started", "session_id": session_id, "timestamp": 0.1}
    assert ended == {"type": "speech_ended", "session_id": session_id, "timestamp": 0.9}
    assert partial["words"] == [{"word": "Hello", "start": 0.1, "end": 0.4, "confidence": 0.9}]
    assert partial["utterances"] == [{"text": "Hello", "start": 0.1, "end": 0.4}]
    assert first["utterances"] == [{"text": "Hello there.", "start": 0.1, "end": 0.9}]
    assert [answer["full_transcript"] for answer in (partial, first, last)] == [
        "Hello",
        "Hello there.",
        "Hello there. Yes.",
    ]
    assert (first["is_last"], last["is_last"], last["transcript"]) == (False, True, "Yes.")


async def test_an_utterance_of_two_sentences(edge: Edge) -> None:
    words = (*WORDS, *FINAL.words)
    follow(edge, first=[Final(0, "Hello there. Yes.", words, 0.1, 1.3, "en")])
    answers = await said(edge, b"audio", CLOSE, sentence_timestamps="true")
    assert [each["text"] for each in answers[0]["utterances"]] == ["Hello there.", "Yes."]


async def test_speakers_are_strings_in_the_order_they_were_heard(edge: Edge) -> None:
    labels = ["SPEAKER_07", "SPEAKER_02", "SPEAKER_07"]
    follow(edge, first=[Final(n, "Yes.", FINAL.words, 1.0, 1.3, "en", label) for n, label in enumerate(labels)])
    wanted = {"word_timestamps": "true", "sentence_timestamps": "true"}
    answers = await said(edge, b"audio", CLOSE, diarize="true", **wanted)
    for part in ("words", "utterances"):
        assert [answer[part][0]["speaker"] for answer in answers if answer[part]] == ["0", "1", "0"]
    assert asked(edge).diarize
    answers = await said(edge, b"audio", CLOSE, **wanted)
    assert "speaker" not in answers[0]["words"][0]


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({"capitalize": "false"}, "hello there."),
        ({"format": "false"}, "hello there."),
        ({"punctuate": "false"}, "Hello there."),
    ],
)
async def test_casing(edge: Edge, query: dict[str, str], text: str) -> None:
    answers = await said(edge, b"audio", CLOSE, word_timestamps="true", full_transcript="true", **query)
    last = answers[-1]
    assert last["transcript"] == last["full_transcript"] == " ".join(word["word"] for word in last["words"]) == text
    assert asked(edge).punctuate == ("capitalize" in query)


@pytest.mark.parametrize(
    ("query", "tells"),
    [
        ({}, False),
        ({"vad": "true"}, True),
        ({"vad_events": "true"}, True),
        ({"vad": "true", "vad_events": "false"}, False),
        ({"vad": "false", "vad_events": "true"}, True),
    ],
)
async def test_speech_is_told_when_it_is_asked_for(edge: Edge, query: dict[str, str], tells: bool) -> None:
    answers = await said(edge, b"audio", CLOSE, **query)
    assert [answer["type"] for answer in answers].count("speech_started") == tells


async def test_finalize_is_answered_once_and_the_session_goes_on(edge: Edge) -> None:
    follow(edge, first=(), finalize=[[Final(0, "Yes.", FINAL.words, 1.0, 1.3, "en", from_finalize=True)]])
    async with asgi_socket(edge.app, url_of()) as socket:
        socket.say(b"audio")
        socket.say(FINALIZE)
        first = await socket.read()
        assert (first["transcript"], first["from_finalize"], first["is_final"], first["is_last"]) == (
            "Yes.",
            True,
            True,
            False,
        )
        socket.say(FINALIZE)
        empty = await socket.read()
        assert (empty["transcript"], empty["from_finalize"], empty["is_final"]) == ("", True, True)
        assert "language" not in empty
        socket.say(CLOSE)
        last = (await socket.rest())[0]
    assert (last["transcript"], last["is_final"], last["is_last"]) == ("", True, True)
    assert "from_finalize" not in last


@pytest.mark.parametrize("close", [CLOSE, {"type": "end"}, {**CLOSE, "more": 1}])
@pytest.mark.parametrize(
    ("on_close", "texts"),
    [
        ((), [""]),
        ((FINAL,), ["Yes."]),
        ((FINAL, FINAL), ["Yes.", "Yes."]),
        ((FINAL, SpeechEnded(1.3)), ["Yes."]),
        ((FINAL, Partial(2, "Hm", (), 2, 3), FINAL), ["Yes.", "Hm", "Yes."]),
        ((EMPTY_FINAL,), [""]),
    ],
)
async def test_the_last_message_is_the_last_utterance(
    edge: Edge, close: Any, on_close: tuple[LiveEvent, ...], texts: list[str]
) -> None:
    follow(edge, close=on_close)
    answers = await said(edge, close, b"late", FINALIZE, CLOSE, {"type": "what"})
    assert [answer["transcript"] for answer in answers] == texts
    assert [answer["is_last"] for answer in answers] == [False] * (len(texts) - 1) + [True]
    assert answers[-1]["is_final"]
    assert edge.live.sessions[0].messages == []


@pytest.mark.parametrize(
    "message", ["", "finalize", "[]", "{}", '"finalize"', '{"type": 1}', '{"type": "Finalize"}', "[" * 9999]
)
async def test_what_is_no_message_is_told_and_the_session_goes_on(edge: Edge, message: str) -> None:
    wrong, *rest = await said(edge, message, b"audio", CLOSE)
    assert (wrong["type"], wrong["status"], wrong["error_code"]) == ("error", "error", "INVALID_PARAMETER")
    assert wrong["message"]
    assert wrong["session_id"] == rest[-1]["session_id"]
    assert rest[-1]["transcript"] == "Hello there."


@pytest.mark.parametrize("path", LEGACY)
async def test_older_paths_tell_words_and_need_no_model(edge: Edge, path: str) -> None:
    for query in ("", "?model=pulse", "?model=lightning"):
        async with asgi_socket(edge.app, path + query) as socket:
            socket.say(b"audio")
            socket.say(CLOSE)
            answers = await socket.rest()
        assert [word["word"] for word in answers[-1]["words"]] == ["Hello", "there."]
    assert "words" not in (await said(edge, b"audio", CLOSE, path=path, word_timestamps="false"))[-1]
    assert set(edge.access.dialects) == {"smallest_waves"}


async def test_the_selfhosted_path_is_the_selfhosted_apis(edge: Edge) -> None:
    async with asgi_socket(edge.app, SELFHOST) as socket:
        socket.say(b"audio")
        socket.say(CLOSE)
        answers = await socket.rest()
    assert "words" not in answers[-1]
    assert edge.access.dialects == ["smallest_selfhost"]


def read(**query: str) -> WavesLiveQuery:
    return read_query(QueryParams({"model": "pulse", **query}), PathDefaults())


def test_defaults() -> None:
    assert read().to_options("id") == LiveOptions("id", AudioFormat(Encoding.PCM_S16, 16_000))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"language": "en"}, {"language": "en"}),
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


async def test_a_plan_without_speakers(edge: Edge) -> None:
    edge.access.plan = Plan(features=frozenset())
    status, body = await refused(edge, model="pulse", diarize="true")
    assert (status, body["error_code"]) == (403, "FEATURE_NOT_IN_PLAN")


async def test_the_key_may_come_in_the_url(edge: Edge) -> None:
    edge.access.key = "sk_good"
    assert (await refused(edge, model="pulse"))[0] == 401
    assert (await refused(edge, model="pulse", token="sk_bad"))[0] == 401
    # Who has no key learns nothing about parameters.
    assert (await refused(edge, model="pulse-pro"))[0] == 401
    await said(edge, CLOSE, token="sk_good")
    async with asgi_socket(edge.app, url_of(), {"authorization": "Bearer sk_good"}) as socket:
        socket.say(CLOSE)
        await socket.rest()
    assert socket.close_code == 1000


@pytest.mark.parametrize(
    ("error", "status"), [(RateLimitReached(60, 3), 429), (InsufficientCredits(), 403), (Overloaded("full"), 503)]
)
async def test_the_door_refuses_before_the_upgrade(edge: Edge, error: RayscribeError, status: int) -> None:
    edge.access.error = error
    assert (await refused(edge, model="pulse"))[0] == status


@pytest.mark.parametrize(
    ("error", "status"),
    [(Overloaded("full"), 503), (InvalidParameter("language", "no"), 400), (FeatureNotInPlan("a", "diarize"), 403)],
)
async def test_so_does_a_session_that_cannot_be_opened(edge: Edge, error: RayscribeError, status: int) -> None:
    edge.live.error = error
    assert (await refused(edge, model="pulse"))[0] == status


async def test_too_many_sessions_are_told_and_closed_with_1008(edge: Edge) -> None:
    edge.access.error = ConcurrencyLimitReached(3, 1)
    async with asgi_socket(edge.app, url_of()) as socket:
        answers = await socket.rest()
    assert [(each["type"], each["error_code"]) for each in answers] == [("error", "RATE_LIMIT_EXCEEDED")]
    assert (socket.status, socket.close_code) == (None, 1008)


@pytest.mark.parametrize(
    ("error", "code", "close_code"),
    [
        (SessionIdle(60), "SESSION_IDLE", 1008),
        (SessionTooLong(3600), "SESSION_TOO_LONG", 1008),
        (ClientTooFast(30), "AUDIO_TOO_FAST", 1008),
        (UnsupportedAudio("noise"), "AudioDecodeError", 1003),
        (StageLost("A stage was lost"), "SERVICE_UNAVAILABLE", 1013),
    ],
)
@pytest.mark.parametrize("where", ["feed", "events"])
async def test_a_session_that_fails_says_why(
    edge: Edge, error: RayscribeError, code: str, close_code: int, where: str
) -> None:
    edge.live.script = LiveScript(feed_error=error) if where == "feed" else LiveScript({1: (*UTTERANCE[:2], error)})
    async with asgi_socket(edge.app, url_of()) as socket:
        socket.say(b"audio")
        answers = await socket.rest()
    last = answers[-1]
    assert (last["type"], last["status"], last["error_code"]) == ("error", "error", code)
    assert last["message"]
    assert last["session_id"]
    assert socket.close_code == close_code
    assert not any(answer.get("is_last") for answer in answers)


@pytest.mark.parametrize("is_last", [False, True])
async def test_a_lost_utterance_is_an_error_and_an_empty_final_and_the_session_goes_on(
    edge: Edge, is_last: bool
) -> None:
    lost = Final(0, "", (), 0.0, 0.9, None, from_finalize=not is_last, failure=StageLost("A stage was lost"))
    edge.live.script = LiveScript(on_finalize=[[lost]], after_messages={}, on_close=[lost] if is_last else [])
    async with asgi_socket(edge.app, url_of()) as socket:
        socket.say(b"audio")
        socket.say({"type": "close_stream" if is_last else "finalize"})
        error, final = await socket.read(), await socket.read()
        assert (error["type"], error["error_code"]) == ("error", "UTTERANCE_LOST")
        assert (error["message"], bool(error["session_id"])) == ("A stage was lost", True)
        assert (final["transcript"], final["is_final"], final["is_last"]) == ("", True, is_last)
        assert final.get("from_finalize", False) is not is_last
        if not is_last:
            socket.say({"type": "close_stream"})
            assert (await socket.read())["is_last"]
        await socket.task
    assert socket.close_code == 1000


async def test_a_message_that_is_too_large(edge: Edge) -> None:
    async with asgi_socket(edge.app, url_of()) as socket:
        socket.say(bytes(2**20 + 1))
        assert (await socket.rest())[-1]["type"] == "error"
    assert socket.close_code == 1009


async def test_the_clients_name_for_a_session_is_in_the_log(edge: Edge, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "ray.serve"):
        answers = await said(edge, CLOSE, external_session_id="call-17")
    assert f"session={answers[-1]['session_id']} external_session=call-17" in caplog.text


moves = st.lists(
    st.one_of(
        st.binary(max_size=8),
        st.sampled_from([FINALIZE, CLOSE, {"type": "end"}, {"type": "x"}, {}, "", "{", "null", "hang up", "wait"]),
    ),
    max_size=12,
)
events = st.lists(st.sampled_from([*UTTERANCE, FINAL, SpeechStarted(2.0)]), max_size=4)
scripts = st.builds(
    LiveScript,
    after_messages=st.dictionaries(st.integers(1, 4), events, max_size=3),
    on_finalize=st.lists(events.map(lambda lines: [*lines, EMPTY_FINAL]), max_size=2),
    on_close=events,
)


def test_any_order_of_messages_ends_as_it_should() -> None:
    edge = Edge()
    with asyncio.Runner() as runner:

        @given(moves, scripts)
        def ends_as_it_should(moves: list[Any], script: LiveScript) -> None:
            runner.run(_ends_as_it_should(edge, moves, script))

        ends_as_it_should()


async def _ends_as_it_should(edge: Edge, moves: list[Any], script: LiveScript) -> None:
    edge.live.script = script
    edge.live.sessions.clear()
    socket = AsgiSocket(edge.app, url_of(vad="true"))
    gone = False
    for move in moves:
        if move == "hang up":
            gone = True
            socket.hang_up()
        elif move == "wait":
            await asyncio.sleep(0)
        else:
            socket.say(move)
    closed = any(move in (CLOSE, {"type": "end"}) for move in moves)
    if not closed:
        socket.hang_up()
    async with asyncio.timeout(20):
        await socket.task
    assert (edge.access.visitors, edge.live.sessions[0].left) == (0, True)
    lasts = [message.get("is_last", False) for message in socket.messages]
    assert True not in lasts[:-1]
    if closed and not gone:
        assert lasts[-1]
        assert socket.close_code == 1000
    # Either the end was told, or nobody was there to be told.
    assert socket.close_code in ((1000,) if lasts and lasts[-1] else (None,))
    assert edge.live.sessions[0].closes <= 1
