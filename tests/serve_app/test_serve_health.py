"""Asking a controller that comes and goes, in virtual time."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from dataclasses import dataclass, field

import pytest
from ray.exceptions import RaySystemError
from ray.serve.schema import ServeInstanceDetails

from serve_app.health import ServeHealth
from tests.fakes.serve_details import details, told
from tests.fakes.virtual_time import virtually

pytestmark = pytest.mark.unit


request: ContextVar[str | None] = ContextVar("request", default=None)


@dataclass
class Controller:
    """One that can be away: then it answers those who asked when it is back."""

    asked: int = 0
    fails: bool = False
    missing: str | None = None
    asked_by: str | None = None
    back: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.back.set()

    async def __call__(self) -> ServeInstanceDetails:
        self.asked += 1
        self.asked_by = request.get()
        await self.back.wait()
        if self.fails:
            raise RaySystemError("the controller is being replaced")
        stages = {
            name: details("HEALTH_CHECK_FAILED", 1, *([] if name == self.missing else ["RUNNING"]))
            for name in ("Decoder", "Diarizer", "Recognizer", "Recognizer-whisper")
        }
        return told(service=("RUNNING", stages))


def now_s() -> float:
    return asyncio.get_running_loop().time()


@virtually
async def test_it_asks_once_a_second_for_all_who_ask() -> None:
    controller = Controller()
    health = ServeHealth("service", ask=controller)
    found = await asyncio.gather(*(health() for _ in range(10)))
    assert {one.missing for one in found} == {()}
    assert (controller.asked, found[0].is_old) == (1, False)
    await asyncio.sleep(1.5)
    await health()
    assert controller.asked == 2


@virtually
async def test_while_the_controller_is_away_nobody_waits_for_long_and_one_question_is_out() -> None:
    controller = Controller()
    health = ServeHealth("service", ask=controller)
    await health()
    controller.back.clear()
    await asyncio.sleep(10)
    begun_s = now_s()
    together = await asyncio.gather(*(health() for _ in range(10)))
    assert now_s() - begun_s == pytest.approx(3)
    assert {(one.missing, one.is_old) for one in together} == {((), True)}
    later = await health()
    assert now_s() - begun_s == pytest.approx(3)
    assert later.age_s == pytest.approx(13)
    assert controller.asked == 2

    controller.back.set()
    await asyncio.sleep(0.1)
    again = await health()
    assert (again.is_old, again.missing) == (False, ())
    assert controller.asked == 2
    await health.close()


@virtually
async def test_what_is_older_than_nodes_live_without_their_head_is_not_believed() -> None:
    controller = Controller()
    health = ServeHealth("service", ask=controller)
    await health()
    controller.back.clear()
    await asyncio.sleep(590)
    assert (await health()).is_old
    await asyncio.sleep(20)
    with pytest.raises(TimeoutError):
        await health()
    await health.close()


@virtually
async def test_a_controller_that_never_answered_is_no_health() -> None:
    controller = Controller()
    controller.back.clear()
    health = ServeHealth("service", ask=controller)
    with pytest.raises(TimeoutError):
        await health()
    await health.close()
    assert len(asyncio.all_tasks()) == 1


@virtually
async def test_a_question_that_fails_is_asked_again() -> None:
    controller = Controller(fails=True)
    health = ServeHealth("service", ask=controller)
    with pytest.raises(TimeoutError):
        await health()
    controller.fails = False
    assert not (await health()).missing


@virtually
async def test_readiness_ends_when_what_all_requests_need_is_away_for_longer_than_its_replacement_takes() -> None:
    controller = Controller()
    health = ServeHealth("service", ask=controller)
    assert (await health()).is_ready
    controller.missing = "Recognizer"
    seen = []
    for _ in range(20):
        await asyncio.sleep(2)
        found = await health()
        seen.append(found.is_ready)
        assert found.missing == ("Recognizer",)
    assert seen == [True] * 15 + [False] * 5
    controller.missing = None
    await asyncio.sleep(2)
    assert (await health()).is_ready


@virtually
async def test_a_service_is_not_ready_before_it_was_complete_once() -> None:
    controller = Controller(missing="Recognizer")
    health = ServeHealth("service", ask=controller)
    assert not (await health()).is_ready
    controller.missing = None
    await asyncio.sleep(2)
    assert (await health()).is_ready


@virtually
async def test_who_needs_no_speakers_is_served_while_no_diarizer_comes_up() -> None:
    for stage in ("Diarizer", "Recognizer-whisper"):
        controller = Controller()
        health = ServeHealth("service", ask=controller)
        await health()
        controller.missing = stage
        await asyncio.sleep(2)
        await health()
        await asyncio.sleep(300)
        found = await health()
        assert (found.missing, found.is_ready) == ((stage,), True)


@virtually
async def test_a_question_for_all_is_no_part_of_the_request_that_came_first() -> None:
    controller = Controller()
    health = ServeHealth("service", ask=controller)
    request.set("a probe that may hang up")
    assert (await health()).is_ready
    assert controller.asked_by is None
