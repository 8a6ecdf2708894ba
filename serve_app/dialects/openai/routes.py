"""``POST /v1/audio/transcriptions``, whole or as a stream of events."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from deployments.contracts import Transcript, TranscriptionRequest
from deployments.errors import MissingParameter
from serve_app.access.visit import Visit
from serve_app.capabilities import ParameterNames, check_request
from serve_app.dialects.dialect import Dialect, visiting
from serve_app.dialects.errors import route_class
from serve_app.dialects.openai import models
from serve_app.dialects.openai.answers import (
    DiarizedTranscription,
    TextTranscription,
    VerboseTranscription,
    json_answer,
)
from serve_app.dialects.openai.errors import TRANSCRIPTION_ERRORS, error_body
from serve_app.dialects.openai.event_stream import TranscriptEvents, running
from serve_app.dialects.openai.events import EventWriter
from serve_app.dialects.openai.parameters import (
    FIELDS,
    FILE_PART,
    LIST_FIELDS,
    TRANSCRIPTION_BODY,
    TranscriptionOptions,
    options_of,
)
from serve_app.formats.plain_text import to_text
from serve_app.formats.subtitles import to_srt, to_vtt
from serve_app.request_log import this_request
from serve_app.services import Services, services_of
from serve_app.uploads import check_url, read_form

NAME = "openai"
_NAMES = ParameterNames(language="language", speaker_count="known_speaker_names", diarize="response_format")

_OTHER_FORMS: dict[str, Any] = {
    "text/plain": {"schema": {"type": "string"}, "example": "Hello, there. Yes.\n"},
    "application/x-subrip": {"schema": {"type": "string"}, "example": "1\n00:00:00,100 --> 00:00:00,933\nHello.\n\n"},
    "text/vtt": {"schema": {"type": "string"}, "example": "WEBVTT\n\n1\n00:00:00.100 --> 00:00:00.933\nHello.\n\n"},
    "text/event-stream": {
        # Of one event, as the HTML standard takes it apart.
        "schema": {
            "type": "object",
            "required": ["data"],
            "properties": {
                "data": {"type": "string", "description": "JSON with a `type`, or with `error`; the last is [DONE]."}
            },
        },
        "examples": {
            "delta": {"value": {"data": '{"type":"transcript.text.delta","delta":"Hello."}'}},
            "done": {"value": {"data": '{"type":"transcript.text.done","text":"Hello.","languages":[{"code":"en"}]}'}},
            "done, with warnings": {
                "value": {
                    "data": '{"type":"transcript.text.done","text":"","languages":[],'
                    '"warnings":[{"code":"no_speech_detected","message":"No speech was detected in the audio"}]}'
                }
            },
            "end": {"value": {"data": "[DONE]"}},
        },
    },
}

router = APIRouter(tags=["OpenAI"], route_class=route_class(error_body))


async def _until_answered() -> AsyncIterator[contextlib.AsyncExitStack]:
    """Closed after the response was sent, or was not: FastAPI ends dependencies in either case."""
    async with contextlib.AsyncExitStack() as stack:
        yield stack


@router.post(
    "/v1/audio/transcriptions",
    response_model=TextTranscription | VerboseTranscription | DiarizedTranscription,
    responses={
        200: {"description": "By `response_format`, or events with `stream`", "content": _OTHER_FORMS},
        **TRANSCRIPTION_ERRORS,
    },
    openapi_extra=TRANSCRIPTION_BODY,
    summary="Transcribe a recording",
)
async def transcribe(
    request: Request,
    services: Annotated[Services, Depends(services_of)],
    until_answered: Annotated[contextlib.AsyncExitStack, Depends(_until_answered)],
) -> Response:
    """Decode, gate, recognise and, for `diarized_json`, diarize one recording.

    With `stream` the text comes as events, as parts of the recording are done.
    """
    async with contextlib.AsyncExitStack() as held:
        visit = await held.enter_async_context(visiting(request, services, NAME))
        options, audio = await _read(request, services)
        settings = services.settings.serving(options.model)
        transcription = options.to_request(
            this_request().request_id, settings.limits.max_duration_s_in(NAME), visit.plan, settings
        )
        check_request(transcription, visit.plan, settings, _NAMES)
        if options.stream:
            response = await _events(services, visit, transcription, audio, options, held)
            # The response closes what it holds; this is for one that is never started.
            until_answered.push_async_callback(response.close)
            return response
        transcript = await services.transcriptions.run(visit, transcription, audio)
    # The subtitles of two hours take 0.2 s of the processor.
    return await asyncio.to_thread(_answer, transcript, options)


async def _read(request: Request, services: Services) -> tuple[TranscriptionOptions, npt.NDArray[np.uint8]]:
    check_url(request, FIELDS)
    limits = services.settings.limits
    form = await read_form(request, limits, FILE_PART, limits.max_bytes_in(NAME), LIST_FIELDS)
    options = options_of(form)
    if form.audio is None:
        raise MissingParameter(FILE_PART)
    return options, form.audio


async def _events(
    services: Services,
    visit: Visit,
    transcription: TranscriptionRequest,
    audio: npt.NDArray[np.uint8],
    options: TranscriptionOptions,
    held: contextlib.AsyncExitStack,
) -> TranscriptEvents:
    """The stream, once there is something to say: what fails before has a status of its own."""
    work = await held.enter_async_context(running(partial(services.transcriptions.run, visit, transcription, audio)))
    first = await work.more()
    return TranscriptEvents(work, first, EventWriter(options), held.pop_all())


def _answer(transcript: Transcript, options: TranscriptionOptions) -> Response:
    match options.response_format:
        case "text":
            return PlainTextResponse(to_text(transcript.segments))
        case "srt":
            return Response(to_srt(transcript.segments), media_type="application/x-subrip")
        case "vtt":
            return Response(to_vtt(transcript.segments), media_type="text/vtt")
        case _:
            answer = json_answer(transcript, options)
            return JSONResponse(answer.model_dump(exclude_unset=True))


router.include_router(models.router)

DIALECT = Dialect(NAME, router, error_form=error_body, paths=("/v1/audio", "/v1/models", "/v1/realtime"))
