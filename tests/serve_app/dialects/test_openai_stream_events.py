"""What the events of a streamed transcription say."""

from __future__ import annotations

import pytest
from openai.types.audio import TranscriptionTextDeltaEvent, TranscriptionTextDoneEvent, TranscriptionTextSegmentEvent

from deployments.contracts import TranscriptionWarning, WarningCode
from tests.fakes.asgi_call import asgi_call
from tests.fakes.edge import Edge
from tests.fakes.openai_sdk import openai_client
from tests.serve_app.dialects.openai_transcriptions import FILE, parsed, streamed

pytestmark = pytest.mark.unit


async def test_the_sdk_reads_the_text_as_it_comes(edge: Edge) -> None:
    async with openai_client(edge.app) as sdk:
        events = [
            event
            async for event in await sdk.audio.transcriptions.create(file=FILE, model="gpt-4o-transcribe", stream=True)
        ]
    assert events == [
        TranscriptionTextDeltaEvent(type="transcript.text.delta", delta="Hello, there."),
        TranscriptionTextDeltaEvent(type="transcript.text.delta", delta=" Yes."),
        TranscriptionTextDoneEvent.model_validate(
            {"type": "transcript.text.done", "text": "Hello, there. Yes.", "languages": [{"code": "en"}]}
        ),
    ]


async def test_the_sdk_reads_speakers_as_they_come(edge: Edge) -> None:
    async with openai_client(edge.app) as sdk:
        stream = await sdk.audio.transcriptions.create(
            file=FILE, model="gpt-4o-transcribe-diarize", stream=True, response_format="diarized_json"
        )
        events = [event async for event in stream]
    deltas = [(event.delta, event.segment_id) for event in events if isinstance(event, TranscriptionTextDeltaEvent)]
    assert deltas == [("Hello, there.", "seg_0"), (" Yes.", "seg_1")]
    assert [event for event in events if isinstance(event, TranscriptionTextSegmentEvent)] == [
        TranscriptionTextSegmentEvent(
            type="transcript.text.segment", id="seg_0", start=0.1, end=0.9, speaker="A", text="Hello, there."
        ),
        TranscriptionTextSegmentEvent(
            type="transcript.text.segment", id="seg_1", start=1.0, end=1.3, speaker="B", text="Yes."
        ),
    ]
    assert isinstance(events[-1], TranscriptionTextDoneEvent)


async def test_logprobs_come_with_the_deltas_and_again_at_the_end(edge: Edge) -> None:
    async with openai_client(edge.app) as sdk:
        stream = await sdk.audio.transcriptions.create(
            file=FILE, model="gpt-4o-transcribe", stream=True, include=["logprobs"]
        )
        *deltas, done = [event async for event in stream]
    assert isinstance(done, TranscriptionTextDoneEvent)
    of_deltas = [
        entry for event in deltas if isinstance(event, TranscriptionTextDeltaEvent) for entry in event.logprobs or ()
    ]
    assert [entry.to_dict() for entry in of_deltas] == [entry.to_dict() for entry in done.logprobs or ()]
    assert "".join(entry.token or "" for entry in of_deltas) == done.text


async def test_the_stream_is_events_and_ends_by_saying_so(edge: Edge) -> None:
    async with asgi_call(edge.app, streamed(response_format="text")) as call:
        start = await call.sent.get()
        await call.task
    headers = dict(start["headers"])
    assert headers[b"content-type"].startswith(b"text/event-stream")
    assert b"content-length" not in headers
    messages = [call.sent.get_nowait() for _ in range(call.sent.qsize())]
    assert messages[-1]["body"].endswith(b"\n\ndata: [DONE]\n\n")
    assert [message["more_body"] for message in messages] == [True, True, False]


async def test_silence_is_a_stream_without_deltas(edge: Edge) -> None:
    edge.pipeline.segments = ()
    async with asgi_call(edge.app, streamed()) as call:
        assert await call.status() == 200
        assert parsed(await call.chunk()) == [{"type": "transcript.text.done", "text": "", "languages": []}]


async def test_the_last_event_has_the_warnings(edge: Edge) -> None:
    edge.pipeline.warnings = (TranscriptionWarning(WarningCode.AUDIO_TRUNCATED, "The file is damaged"),)
    async with openai_client(edge.app) as sdk:
        stream = await sdk.audio.transcriptions.create(file=FILE, model="gpt-4o-transcribe", stream=True)
        *deltas, done = [event async for event in stream]
    assert isinstance(done, TranscriptionTextDoneEvent)
    assert done.to_dict()["warnings"] == [{"code": "audio_truncated", "message": "The file is damaged"}]
    assert not any("warnings" in event.to_dict() for event in deltas)
