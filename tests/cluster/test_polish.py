"""Text that a language model behind a real endpoint polishes in the real service, and what becomes of it otherwise."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from openai import AsyncOpenAI, OpenAI
from websockets.asyncio.client import connect

from deployments.contracts import SAMPLE_RATE_HZ
from tests.cluster.rower import DOWN, HEARD, RIVER, SLOW, UNSAFE
from tests.cluster.service import RunningService
from tests.cluster.test_live import messages_of, socket_url, speech
from tests.fakes.audio_files import encode_wav
from tests.fakes.chat_server import ChatServer
from tests.fakes.recordings import recording

pytestmark = pytest.mark.cluster

SPOKEN_S = 7
Answer = dict[str, Any]


@pytest.fixture(scope="module")
def audio() -> bytes:
    return encode_wav(recording("two_cities")[: SPOKEN_S * SAMPLE_RATE_HZ])


@pytest.fixture(scope="module")
def plain(service: RunningService, audio: bytes) -> Answer:
    return stt(service, audio)


@pytest.fixture(scope="module")
def slow(service: RunningService, audio: bytes) -> Iterator[Future[Answer]]:
    """An answer that takes as long as a polish may: it is waited for while the other tests run."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(stt, service, audio, context=SLOW)


def stt(service: RunningService, audio: bytes, **fields: str) -> Answer:
    fields |= {"return_timestamps": "word"}
    response = service.client.post("/stt", files={"file": audio}, data=fields)
    assert response.status_code == 200
    answer: Answer = response.json()
    return answer


def spans(words: list[dict[str, Any]]) -> list[tuple[float, float]]:
    return [(word["start"], word["end"]) for word in words]


def test_without_a_context_no_model_is_asked(
    service: RunningService, language_model: ChatServer, audio: bytes, plain: Answer, slow: Future[Answer]
) -> None:
    asked = [body for body in language_model.bodies if SLOW not in str(body)]
    assert stt(service, audio, keywords="Thymes")["warnings"] == plain["warnings"] == []
    assert [body for body in language_model.bodies if SLOW not in str(body)] == asked


def test_a_name_of_the_context_is_put_right_and_word_times_survive(
    service: RunningService, audio: bytes, plain: Answer
) -> None:
    answer = stt(service, audio, context=RIVER)
    assert answer["text"] == plain["text"].replace(HEARD, "Thames", 1)
    assert answer["text"] == " ".join(segment["text"] for segment in answer["segments"])
    assert spans(answer["words"]) == spans(plain["words"])
    assert [(word["word"], word["original"]) for word in answer["words"] if "original" in word] == [("Thames.", HEARD)]
    assert answer["warnings"] == []


def test_terms_of_an_object_work_beside_the_model(service: RunningService, audio: bytes) -> None:
    answer = stt(service, audio, context=json.dumps({"text": RIVER, "terms": ["Wisdome"]}))
    changed = [word for word in answer["words"] if "original" in word]
    assert [(word["word"], word.get("boosted", False)) for word in changed] == [("Thames.", False), ("Wisdome.", True)]


@pytest.mark.parametrize(
    ("context", "code"), [(UNSAFE, "llm_refinement_rejected"), (DOWN, "llm_refinement_unavailable")]
)
def test_a_model_that_is_wrong_or_gone_leaves_the_text_and_is_told_of(
    service: RunningService, audio: bytes, plain: Answer, context: str, code: str
) -> None:
    answer = stt(service, audio, context=context)
    assert answer["words"] == plain["words"]
    assert answer["warning_codes"] == [code]
    (warning,) = answer["warnings"]
    first = next(at for at, segment in enumerate(plain["segments"]) if HEARD in segment["text"])
    assert warning["affected_segments"][0] == first


def test_a_prompt_of_openai_is_context(service: RunningService, audio: bytes, plain: Answer) -> None:
    with OpenAI(base_url=f"{service.url}/v1", api_key="any", max_retries=0) as client:
        answer = client.audio.transcriptions.create(file=("call.wav", audio), model="whisper-1", prompt=RIVER)
    assert answer.text == plain["text"].replace(HEARD, "Thames", 1)


def test_live_finals_come_as_recognised_and_then_polished(service: RunningService) -> None:
    async def conversation() -> list[dict[str, Any]]:
        async with connect(f"{socket_url(service.url)}/ws/stt?apiKey=any") as socket:
            context = {"general": [{"key": "sport", "value": "rowing"}], "text": RIVER}
            await socket.send(json.dumps({"type": "start", "languages": ["en"], "context": context}))
            await socket.send(speech(SPOKEN_S))
            await socket.send(json.dumps({"type": "stop"}))
            return [message async for message in messages_of(socket)]

    said = asyncio.run(conversation())
    finals = [message for message in said if message["type"] == "transcription" and message["is_final"]]
    provisional = {final["sentence_id"]: final for final in finals if not final["speech_final"]}
    polished = {final["sentence_id"]: final for final in finals if final["speech_final"]}
    assert provisional.keys() == polished.keys()
    assert all(spans(final["words"]) == spans(polished[at]["words"]) for at, final in provisional.items())
    first = min(at for at, final in provisional.items() if HEARD in final["text"])
    assert "Thames" in polished[first]["text"]
    assert polished[first]["llm_applied"]
    assert "warnings" not in polished[first]
    assert said[-1]["type"] == "session_stopped"


def test_a_prompt_of_a_realtime_session_is_context(service: RunningService) -> None:
    async def conversation() -> str:
        async with (
            AsyncOpenAI(api_key="any", websocket_base_url=f"{socket_url(service.url)}/v1") as client,
            client.realtime.connect(extra_query={"intent": "transcription"}) as connection,
        ):
            await connection.session.update(
                session={
                    "type": "transcription",
                    "audio": {"input": {"transcription": {"prompt": RIVER}, "turn_detection": None}},
                }
            )
            pcm = speech(SPOKEN_S, 24_000)
            await connection.input_audio_buffer.append(audio=base64.b64encode(pcm).decode())
            await connection.input_audio_buffer.commit()
            async for event in connection:
                if event.type == "conversation.item.input_audio_transcription.completed":
                    return event.transcript
                assert event.type != "error", event
        raise AssertionError("the connection ended before the transcript came")

    assert "Thames" in asyncio.run(conversation())


def test_a_model_that_does_not_answer_costs_the_polish_and_nothing_else(plain: Answer, slow: Future[Answer]) -> None:
    answer = slow.result(timeout=120)
    assert answer["words"] == plain["words"]
    assert answer["warning_codes"] == ["llm_refinement_unavailable"]
