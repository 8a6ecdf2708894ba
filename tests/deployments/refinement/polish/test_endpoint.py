from __future__ import annotations

import asyncio
import contextlib
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest

from deployments.contracts import Refined, RefinementContext, RefinementTask, Segment, WarningCode, Word
from deployments.errors import DeadlineExceeded, EngineUnavailable, ServiceUnavailable
from deployments.refinement.deployment import Refiner, RefinerConfig
from deployments.refinement.polish.edits import ANSWER_SCHEMA, UnreadableAnswer
from deployments.refinement.polish.endpoint import EndpointModel
from deployments.refinement.polish.model import Prompt
from deployments.refinement.polish.options import EndpointOptions, LanguageModelOptions
from deployments.refinement.signals import ModelSignals
from deployments.signal_table import LLM_TOKENS
from tests.fakes.chat_server import ChatServer, chat_server, completion, json_response, replying_server
from tests.fakes.language_model import doubtful_segment, edits_json, texts
from tests.fakes.signals import RecordedSignals

pytestmark = pytest.mark.unit

PROMPT = Prompt("Repair.", '{"words": "0:their?"}')
NOTHING = completion(edits_json())


@contextlib.asynccontextmanager
async def connected(
    server: contextlib.AbstractAsyncContextManager[ChatServer], concurrent_calls: int = 8
) -> AsyncIterator[tuple[EndpointModel, ChatServer]]:
    async with server as chat:
        options = EndpointOptions(chat.url, "polish-1", "POLISH_KEY", concurrent_calls)
        yield EndpointModel(options, {"POLISH_KEY": "sk-very-secret"}), chat


def endpoint(
    answer: Callable[[int], bytes], delay_s: float = 0.0
) -> contextlib.AbstractAsyncContextManager[tuple[EndpointModel, ChatServer]]:
    return connected(chat_server(answer, delay_s))


async def test_a_prompt_and_its_answer() -> None:
    async with endpoint(lambda _: completion("an answer")) as (model, chat):
        assert await model.complete(PROMPT, max_tokens=77, timeout_s=5.0) == "an answer"
    (body,) = chat.bodies
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("polish-1", 0, 77)
    assert body["messages"] == [
        {"role": "system", "content": "Repair."},
        {"role": "user", "content": '{"words": "0:their?"}'},
    ]
    assert body["response_format"]["type"] == "json_schema"
    assert body["response_format"]["json_schema"]["schema"] == ANSWER_SCHEMA
    assert chat.keys == ["Bearer sk-very-secret"]


async def test_tokens_are_told_also_of_an_answer_that_is_none() -> None:
    signals = RecordedSignals()
    async with chat_server(lambda _: completion(None, "length")) as chat:
        model = EndpointModel(EndpointOptions(chat.url, "polish-1"), {}, ModelSignals(signals))
        with pytest.raises(UnreadableAnswer):
            await model.complete(PROMPT, max_tokens=77, timeout_s=5.0)
    assert signals.counted(LLM_TOKENS, "prompt") == 100
    assert signals.counted(LLM_TOKENS, "answer") == 10


@pytest.mark.parametrize("finish_reason", ["length", "content_filter"])
async def test_an_answer_that_was_cut_off_is_none(finish_reason: str) -> None:
    async with endpoint(lambda _: completion(edits_json(), finish_reason)) as (model, _):
        with pytest.raises(UnreadableAnswer):
            await model.complete(PROMPT, max_tokens=77, timeout_s=5.0)


@pytest.mark.parametrize(
    "answer",
    [
        completion(None),
        completion(""),
        json_response(200, '{"choices": []}'),
        json_response(200, '{"object": "chat.completion"}'),
    ],
)
async def test_an_answer_without_text_is_none(answer: bytes) -> None:
    async with endpoint(lambda _: answer) as (model, _):
        with pytest.raises(UnreadableAnswer):
            await model.complete(PROMPT, max_tokens=77, timeout_s=5.0)


async def test_a_failure_is_tried_again_once_and_told_without_the_key(caplog: pytest.LogCaptureFixture) -> None:
    failure = json_response(500, '{"error": {"message": "sk-very-secret broke it"}}')
    async with endpoint(lambda number: NOTHING if number == 1 else failure) as (model, chat):
        assert await model.complete(PROMPT, max_tokens=77, timeout_s=5.0) == edits_json()
        with (
            caplog.at_level(logging.INFO),
            caplog.at_level(logging.INFO, "ray.serve"),
            pytest.raises(ServiceUnavailable) as failed,
        ):
            await model.complete(PROMPT, max_tokens=77, timeout_s=5.0)
    assert len(chat.bodies) == 4
    assert "sk-very-secret" not in caplog.text + repr(failed.value) + repr([vars(each) for each in caplog.records])
    assert failed.value.__cause__ is None


@pytest.mark.parametrize("status", [400, 401, 404])
async def test_a_refusal_is_not_tried_again(status: int) -> None:
    async with endpoint(lambda _: json_response(status, "{}")) as (model, chat):
        with pytest.raises(ServiceUnavailable):
            await model.complete(PROMPT, max_tokens=77, timeout_s=5.0)
    assert len(chat.bodies) == 1


async def test_a_slow_answer_is_given_up() -> None:
    async with endpoint(lambda _: NOTHING, delay_s=60.0) as (model, _):
        with pytest.raises(DeadlineExceeded):
            await model.complete(PROMPT, max_tokens=77, timeout_s=0.05)


async def test_calls_at_once_are_bounded() -> None:
    two = asyncio.Barrier(2)

    async def reply(_: dict[str, Any]) -> bytes:
        await two.wait()
        # A third, if it were let in, would come while these are still here.
        await asyncio.sleep(0.05)
        return NOTHING

    async with connected(replying_server(reply), concurrent_calls=2) as (model, chat):
        calls = [model.complete(PROMPT, max_tokens=77, timeout_s=60.0) for _ in range(6)]
        assert await asyncio.gather(*calls) == [edits_json()] * 6
    assert chat.most_at_once == 2


def test_a_key_that_is_not_there_is_missed_by_the_name_of_its_variable() -> None:
    with pytest.raises(EngineUnavailable, match="POLISH_KEY"):
        EndpointModel(EndpointOptions("http://localhost/v1", "polish-1", "POLISH_KEY"), {})


async def test_a_server_without_keys_needs_none() -> None:
    async with chat_server(lambda _: NOTHING) as chat:
        model = EndpointModel(EndpointOptions(chat.url, "polish-1"), {})
        assert await model.complete(PROMPT, max_tokens=77, timeout_s=5.0) == edits_json()


def test_the_client_is_not_imported_before_a_model_is_asked_for() -> None:
    code = "import sys; import deployments.refinement.deployment; sys.exit('openai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


SAID = (doubtful_segment("deploy it to cuber? netties?"), doubtful_segment("put it over their?", start_s=10.0))
TASK = RefinementTask(context=RefinementContext(text="We run Kubernetes."))


async def refined(url: str, task: RefinementTask = TASK, segments: tuple[Segment, ...] = SAID) -> Refined:
    options = LanguageModelOptions(EndpointOptions(url, "polish-1"), timeout_s=2.0, max_edit_rate=0.5)
    return await Refiner(RefinerConfig(options)).refine(segments, task)


async def test_the_refiner_polishes_what_its_rules_have_refined() -> None:
    answer = completion(edits_json((3, "cuber netties", "Kubernetes"), (8, "their.", "there.")))
    async with chat_server(lambda _: answer) as chat:
        after = await refined(chat.url)
    assert texts(after.segments) == ["Deploy it to Kubernetes", "put it over there."]
    assert after.polished


async def test_without_a_context_no_model_is_asked() -> None:
    async with chat_server(lambda _: NOTHING) as chat:
        after = await refined(chat.url, RefinementTask())
    assert (chat.bodies, after.polished, after.warnings) == ([], False, ())


async def test_a_server_that_is_gone_costs_the_polish_and_nothing_else() -> None:
    async with chat_server(lambda _: NOTHING) as chat:
        pass
    after = await refined(chat.url)
    assert texts(after.segments) == ["Deploy it to cuber netties", "put it over their."]
    assert [warning.code for warning in after.warnings] == [WarningCode.LLM_REFINEMENT_UNAVAILABLE]


async def test_without_a_model_a_context_has_hesitations_left_out_and_the_edge_tells_that_rules_were_alone() -> None:
    um = Word("Um,", 0.0, 0.2, 0.9)
    (first, *rest) = SAID
    hesitant = (replace(first, words=(um, *first.words), text=f"Um, {first.text}"), *rest)
    assert await Refiner(RefinerConfig()).refine(hesitant, TASK) == await Refiner(RefinerConfig()).refine(SAID, TASK)
    assert (await Refiner(RefinerConfig()).refine(SAID, TASK)).warnings == ()
