from __future__ import annotations

import asyncio

import numpy as np
import pytest

from deployments.contracts import Segment, Transcript, TranscriptionRequest
from serve_app.access.plans import UNLIMITED
from serve_app.access.visit import Caller, Visit
from serve_app.pipeline import SegmentSink
from serve_app.transcriptions import Transcriptions
from tests.fakes.edge import FakeMeter
from tests.fakes.virtual_time import virtually

pytestmark = pytest.mark.unit

VISIT = Visit(Caller("u", "ann", "p"), UNLIMITED, "openai")
AUDIO = np.zeros(4, np.uint8)


class Endless:
    """A pipeline that tells a segment of ten seconds every second."""

    async def transcribe(
        self, _: TranscriptionRequest, __: object, on_segments: SegmentSink | None = None
    ) -> Transcript:
        for number in range(1000):
            await asyncio.sleep(1.0)
            if on_segments is not None:
                await on_segments((Segment(10.0 * number, 10.0 * (number + 1), "Yes.", "en", ()),))
        raise AssertionError("somebody listened to the end")


async def leave_after(seconds: float, *, streams: bool) -> FakeMeter:
    meter = FakeMeter()

    async def take(_: tuple[Segment, ...]) -> None:
        return

    run = Transcriptions(Endless(), meter).run(VISIT, TranscriptionRequest("r"), AUDIO, take if streams else None)
    task = asyncio.create_task(run)
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return meter


@virtually
async def test_the_meter_learns_how_much_a_caller_was_told_who_leaves() -> None:
    assert (await leave_after(3.5, streams=True)).told_s == [30.0]
    assert (await leave_after(0.5, streams=True)).told_s == [0.0]
    assert (await leave_after(3.5, streams=False)).told_s == [0.0]
