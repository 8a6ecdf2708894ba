from __future__ import annotations

import asyncio

import pytest

from deployments.errors import ServiceUnavailable
from deployments.refinement.polish.edits import UnreadableAnswer
from deployments.refinement.polish.measured import MeasuredModel
from deployments.refinement.polish.model import Prompt
from tests.fakes.language_model import ScriptedModel

pytestmark = pytest.mark.unit

PROMPT = Prompt("Correct what was misheard.", "hello")


async def ended(model: ScriptedModel) -> list[tuple[str, float]]:
    told: list[tuple[str, float]] = []
    times_s = iter([10.0, 12.5])
    measured = MeasuredModel(model, lambda outcome, took_s: told.append((outcome, took_s)), clock=lambda: next(times_s))
    await measured.complete(PROMPT, max_tokens=10, timeout_s=1.0)
    return told


async def test_an_answer_tells_its_time() -> None:
    assert await ended(ScriptedModel(lambda _: "{}")) == [("answered", 2.5)]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (UnreadableAnswer("cut off"), "unreadable"),
        (ServiceUnavailable("The language model cannot be reached"), "service_unavailable"),
        (KeyError("what was said"), "internal_error"),
    ],
)
async def test_a_failure_is_told_and_goes_on(error: Exception, outcome: str) -> None:
    told: list[str] = []
    measured = MeasuredModel(ScriptedModel(lambda _: error), lambda outcome, _: told.append(outcome))
    with pytest.raises(type(error)):
        await measured.complete(PROMPT, max_tokens=10, timeout_s=1.0)
    assert told == [outcome]


async def test_a_question_that_nobody_waits_for_is_cancelled() -> None:
    told: list[str] = []
    measured = MeasuredModel(ScriptedModel(lambda _: "{}", delay_s=60.0), lambda outcome, _: told.append(outcome))
    asking = asyncio.create_task(measured.complete(PROMPT, max_tokens=10, timeout_s=60.0))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert told == ["cancelled"]
