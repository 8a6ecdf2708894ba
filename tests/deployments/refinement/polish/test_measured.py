from __future__ import annotations

import asyncio

import pytest

from deployments.errors import ServiceUnavailable
from deployments.refinement.polish.edits import UnreadableAnswer
from deployments.refinement.polish.measured import MeasuredModel
from deployments.refinement.polish.model import Prompt
from deployments.refinement.signals import ModelSignals
from deployments.signal_table import LLM_CALLS, LLM_TIME, LLM_TOKENS
from tests.fakes.language_model import ScriptedModel
from tests.fakes.signals import RecordedSignals

pytestmark = pytest.mark.unit

PROMPT = Prompt("Correct what was misheard.", "hello")


def measured(model: ScriptedModel, signals: RecordedSignals) -> MeasuredModel:
    times_s = iter([10.0, 12.5])
    return MeasuredModel(model, ModelSignals(signals), clock=lambda: next(times_s))


async def test_an_answer_tells_its_time() -> None:
    signals = RecordedSignals()
    model = measured(ScriptedModel(lambda _: "{}"), signals)
    assert await model.complete(PROMPT, max_tokens=10, timeout_s=1.0) == "{}"
    assert signals.counted(LLM_CALLS, "answered") == 1
    assert signals.observed(LLM_TIME) == [2.5]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (UnreadableAnswer("cut off"), "unreadable"),
        (ServiceUnavailable("The language model cannot be reached"), "service_unavailable"),
        (KeyError("what was said"), "internal_error"),
    ],
)
async def test_a_failure_is_told_and_goes_on(error: Exception, outcome: str) -> None:
    signals = RecordedSignals()
    with pytest.raises(type(error)):
        await measured(ScriptedModel(lambda _: error), signals).complete(PROMPT, max_tokens=10, timeout_s=1.0)
    assert signals.counted(LLM_CALLS, outcome) == 1


async def test_a_question_that_nobody_waits_for_is_cancelled() -> None:
    signals = RecordedSignals()
    model = measured(ScriptedModel(lambda _: "{}", delay_s=60.0), signals)
    asking = asyncio.create_task(model.complete(PROMPT, max_tokens=10, timeout_s=60.0))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert signals.counted(LLM_CALLS, "cancelled") == 1


def test_tokens_are_counted_by_what_they_are_for() -> None:
    signals = RecordedSignals()
    ModelSignals(signals).spent(100, 10)
    assert signals.counted(LLM_TOKENS, "prompt") == 100
    assert signals.counted(LLM_TOKENS, "answer") == 10
