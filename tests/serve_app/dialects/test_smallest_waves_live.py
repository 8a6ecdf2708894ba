"""What is said in Smallest's live sessions."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from deployments.errors import StageLost
from serve_app.live.contracts import Final, LiveEvent, LiveOptions, Partial, SpeechEnded
from tests.fakes.asgi_socket import asgi_socket
from tests.fakes.edge import Edge
from tests.fakes.live import EMPTY_FINAL, UTTERANCE, WORDS, LiveScript
from tests.serve_app.dialects.smallest_waves import LEGACY
from tests.serve_app.dialects.smallest_waves_live import CLOSE, FINAL, FINALIZE, said, url_of

pytestmark = pytest.mark.unit


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
async def test_casing_and_punctuation_can_be_turned_off(edge: Edge, query: dict[str, str], text: str) -> None:
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
    async with asgi_socket(edge.app, "/v1/listen/stream") as socket:
        socket.say(b"audio")
        socket.say(CLOSE)
        answers = await socket.rest()
    assert "words" not in answers[-1]
    assert edge.access.dialects == ["smallest_selfhost"]


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


async def test_the_clients_name_for_a_session_is_in_the_log(edge: Edge, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "ray.serve"):
        answers = await said(edge, CLOSE, external_session_id="call-17")
    assert f"session={answers[-1]['session_id']} external_session=call-17" in caplog.text
