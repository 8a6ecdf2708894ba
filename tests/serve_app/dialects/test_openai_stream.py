"""A streamed transcription from its first event to its end, well or not, with a pipeline that takes its time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import openai
import pytest
import uvicorn
from openai import AsyncOpenAI
from openai.types.audio import TranscriptionTextDeltaEvent

from deployments.contracts import Segment, Transcript, TranscriptionRequest, Word
from deployments.errors import Overloaded, StageLost
from serve_app.access.visit import RateState
from serve_app.pipeline import SegmentSink
from tests.fakes.asgi_call import AsgiCall, asgi_call
from tests.fakes.edge import Edge, FakePipeline
from tests.fakes.losing_access import LosingAccess
from tests.fakes.openai_sdk import openai_client
from tests.fakes.virtual_time import virtually
from tests.serve_app.dialects.openai_transcriptions import FILE, parsed, streamed

pytestmark = pytest.mark.unit


@dataclass
class SteppedPipeline(FakePipeline):
    """Every segment, and the end, takes one of ``steps``; ``late_error`` comes instead of the end."""

    steps: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    late_error: Exception | None = None
    handed_on: int = 0
    running: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def transcribe(
        self, request: TranscriptionRequest, audio: npt.NDArray[np.uint8], on_segments: SegmentSink | None = None
    ) -> Transcript:
        async def stepped(segments: tuple[Segment, ...]) -> None:
            await self.steps.acquire()
            if on_segments is not None:
                await on_segments(segments)
            self.handed_on += 1

        self.running += 1
        try:
            transcript = await super().transcribe(request, audio, stepped)
            await self.steps.acquire()
            if self.late_error:
                raise self.late_error
            return transcript
        finally:
            self.running -= 1
            self.ended.set()

    def step(self, count: int = 1) -> None:
        for _ in range(count):
            self.steps.release()


@pytest.fixture
async def pipeline() -> SteppedPipeline:
    return SteppedPipeline()


@pytest.fixture
async def stepped(pipeline: SteppedPipeline) -> AsyncIterator[Edge]:
    """An edge whose pipeline is stepped; in the end nothing runs and nobody is inside."""
    edge = Edge(pipeline=pipeline)
    async with edge.client:
        yield edge
    assert (pipeline.running, edge.access.visitors) == (0, 0)


async def until_begun(call: AsgiCall, pipeline: SteppedPipeline) -> list[Any]:
    await pipeline.arrivals.acquire()
    pipeline.step()
    assert await call.status() == 200
    return parsed(await call.chunk())


async def test_text_comes_before_the_recording_is_done(stepped: Edge, pipeline: SteppedPipeline) -> None:
    async with asgi_call(stepped.app, streamed()) as call:
        (first,) = await until_begun(call, pipeline)
        assert first["delta"] == "Hello, there."
        assert pipeline.running == 1
        pipeline.step(2)
        assert parsed(await call.chunk())[0]["delta"] == " Yes."
        assert parsed(await call.chunk())[0]["text"] == "Hello, there. Yes."
    assert len(stepped.meter.transcripts) == 1


async def test_nothing_is_said_before_there_is_something_to_say(stepped: Edge, pipeline: SteppedPipeline) -> None:
    pipeline.error = Overloaded("The recognition queue is full", 7.5)
    pipeline.gate.clear()
    async with asgi_call(stepped.app, streamed()) as call:
        await pipeline.arrivals.acquire()
        assert call.sent.empty()
        pipeline.gate.set()
        assert await call.status() == 503
        assert json.loads(await call.chunk())["error"]["code"] == "service_unavailable"


async def test_a_failure_under_way_is_an_event(stepped: Edge, pipeline: SteppedPipeline) -> None:
    pipeline.late_error = StageLost("The recogniser was lost")
    pipeline.step(3)
    async with openai_client(stepped.app) as sdk:
        stream = await sdk.audio.transcriptions.create(file=FILE, model="whisper-1", stream=True)
        with pytest.raises(openai.APIError, match="The recogniser was lost"):
            _ = [event async for event in stream]
    assert stepped.meter.transcripts == []
    assert len(stepped.meter.failures) == 1


async def test_a_failure_that_was_not_foreseen_tells_nothing(stepped: Edge, pipeline: SteppedPipeline) -> None:
    pipeline.late_error = OSError("secret detail")
    pipeline.step(3)
    async with asgi_call(stepped.app, streamed()) as call:
        await call.task
    messages = [call.sent.get_nowait() for _ in range(call.sent.qsize())]
    (last,) = parsed(messages[-1]["body"].decode())
    assert last["error"]["type"] == "server_error"
    assert "secret" not in str(messages)
    assert b"[DONE]" not in messages[-1]["body"]


async def test_what_cannot_be_metered_is_not_done(stepped: Edge, pipeline: SteppedPipeline) -> None:
    stepped.meter.error = Overloaded("The database does not answer", 3)
    async with asgi_call(stepped.app, streamed()) as call:
        await until_begun(call, pipeline)
        pipeline.step(2)
        await call.chunk()
        assert parsed(await call.chunk())[0]["error"]["message"] == "The database does not answer"


async def test_the_lease_is_held_until_the_end_and_not_beyond(stepped: Edge, pipeline: SteppedPipeline) -> None:
    async with asgi_call(stepped.app, streamed()) as call:
        await until_begun(call, pipeline)
        assert stepped.access.visitors == 1
        call.reading.clear()
        pipeline.step(2)
        await pipeline.ended.wait()
        # The last segment has not been read: the stream goes on.
        assert stepped.access.visitors == 1
        call.reading.set()
        await call.chunk()
        assert parsed(await call.chunk())[0]["type"] == "transcript.text.done"
        # Whoever sees the end can send his next request.
        assert stepped.access.visitors == 0


async def test_a_client_that_hangs_up_ends_the_work(stepped: Edge, pipeline: SteppedPipeline) -> None:
    async with asgi_call(stepped.app, streamed()) as call:
        await until_begun(call, pipeline)
        call.hang_up()
        await call.task
        assert (pipeline.running, stepped.access.visitors) == (0, 0)
    assert stepped.meter.transcripts == []
    assert isinstance(stepped.meter.failures[0], asyncio.CancelledError)


@pytest.mark.parametrize("begun", [False, True])
async def test_a_server_that_tells_it_by_an_error_ends_the_work(
    stepped: Edge, pipeline: SteppedPipeline, begun: bool
) -> None:
    async with asgi_call(stepped.app, streamed()) as call:
        if begun:
            await until_begun(call, pipeline)
        else:
            await pipeline.arrivals.acquire()
        call.breaks = True
        pipeline.step()
        await call.task
        assert (pipeline.running, stepped.access.visitors) == (0, 0)


@pytest.mark.parametrize("begun", [False, True])
async def test_a_cancelled_request_ends_the_work(stepped: Edge, pipeline: SteppedPipeline, begun: bool) -> None:
    async with asgi_call(stepped.app, streamed()) as call:
        if begun:
            await until_begun(call, pipeline)
        else:
            await pipeline.arrivals.acquire()
        call.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call.task
        assert (pipeline.running, stepped.access.visitors) == (0, 0)


async def test_an_answer_that_is_never_started_holds_nothing(stepped: Edge, pipeline: SteppedPipeline) -> None:
    # The rate cannot be written into the headers, after the stream was made.
    stepped.access.rate = RateState(60, 42, float("nan"))
    async with asgi_call(stepped.app, streamed()) as call:
        await pipeline.arrivals.acquire()
        pipeline.step()
        with pytest.raises(ValueError, match="NaN"):
            await call.task
        assert (pipeline.running, stepped.access.visitors) == (0, 0)


async def test_a_lost_lease_ends_the_work_and_says_so(pipeline: SteppedPipeline) -> None:
    access = LosingAccess()
    edge = Edge(pipeline=pipeline, access=access)
    async with edge.client, asgi_call(edge.app, streamed()) as call:
        await until_begun(call, pipeline)
        access.lose()
        assert parsed(await call.chunk())[0]["error"]["message"] == "The lease was lost"
        await call.task
        assert (pipeline.running, access.visitors) == (0, 0)


async def test_a_slow_reader_slows_the_work(stepped: Edge, pipeline: SteppedPipeline) -> None:
    pipeline.segments = tuple(
        Segment(float(at), at + 0.5, f"{at}", "en", (Word(f"{at}", float(at), at + 0.5, 0.9),)) for at in range(50)
    )
    pipeline.step(51)
    async with asgi_call(stepped.app, streamed()) as call:
        call.reading.clear()
        await pipeline.arrivals.acquire()
        for _ in range(200):
            await asyncio.sleep(0)
        assert 1 <= pipeline.handed_on <= 10
        call.reading.set()
        await call.task
    assert pipeline.handed_on == 50


@virtually
async def test_silence_in_between_is_filled_with_comments() -> None:
    pipeline = SteppedPipeline()
    edge = Edge(pipeline=pipeline)
    async with edge.client, asgi_call(edge.app, streamed()) as call:
        await until_begun(call, pipeline)
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        assert [await call.chunk() for _ in range(2)] == [": keep-alive\n\n"] * 2
        assert loop.time() - begun_s == pytest.approx(30)
        pipeline.step(2)
        assert parsed(await call.chunk())[0]["delta"] == " Yes."


@contextlib.asynccontextmanager
async def served(edge: Edge) -> AsyncIterator[str]:
    """A server for the app, in this event loop; gives its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(edge.app, log_level="error", lifespan="off"))
        task = asyncio.ensure_future(server.serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


async def test_over_a_real_connection_the_sdk_reads_as_it_comes_and_may_leave(pipeline: SteppedPipeline) -> None:
    access = LosingAccess()
    edge = Edge(pipeline=pipeline, access=access)
    async with (
        edge.client,
        served(edge) as url,
        AsyncOpenAI(base_url=f"{url}/v1", api_key="rs_any", max_retries=0) as sdk,
    ):
        pipeline.step()
        stream = await sdk.audio.transcriptions.create(file=FILE, model="whisper-1", stream=True)
        first = await anext(aiter(stream))
        assert isinstance(first, TranscriptionTextDeltaEvent)
        assert (first.delta, pipeline.running) == ("Hello, there.", 1)
        await stream.close()
        await access.left.wait()
        assert pipeline.running == 0
    assert len(edge.meter.failures) == 1
