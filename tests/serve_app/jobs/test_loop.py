from __future__ import annotations

import asyncio

import pytest

from serve_app.jobs.loop import Loop
from tests.fakes.virtual_time import run_virtually
from tests.serve_app.jobs.test_service import AUDIO, _look, _running, _settings, desk  # noqa: F401

pytestmark = pytest.mark.unit


def test_a_loop_that_is_woken_during_its_step_takes_another() -> None:
    async def main() -> None:
        steps: list[int] = []

        async def step() -> None:
            steps.append(1)
            if len(steps) == 1:
                loop.wake()

        loop = Loop("counting", step, 10.0)
        task = asyncio.create_task(loop.run())
        await asyncio.sleep(1.0)
        assert len(steps) == 2
        task.cancel()

    run_virtually(main)
