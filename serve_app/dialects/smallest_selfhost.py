"""Smallest self-host: ``POST /v1/listen``.

Source: the vendor's self-host pages and Helm chart. Where they are silent, the choices are marked below.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from deployments.contracts import Segment, SpeakerCount, Transcript, TranscriptionRequest, Word
from deployments.errors import InvalidParameter, MissingParameter
from deployments.refinement.punctuation import MARKS
from serve_app.assembly import spoken_turns
from serve_app.capabilities import ParameterNames, check_request
from serve_app.dialects.answers import written
from serve_app.dialects.dialect import Dialect, visiting
from serve_app.dialects.errors import route_class
from serve_app.dialects.languages import SpokenLanguage
from serve_app.dialects.smallest_selfhost_errors import ERROR_RESPONSES, error_body
from serve_app.jobs.contracts import Callback, Job, JobFailure, JobOrder
from serve_app.request_log import this_request
from serve_app.services import Services, services_of
from serve_app.uploads import check_url, is_json, is_urlencoded, read_form, read_json

NAME = "smallest_selfhost"
AUDIO_PART = "audio"
_NAMES = ParameterNames(language="language", speaker_count="num_speakers")

router = APIRouter(tags=["Smallest self-host"], route_class=route_class(error_body))


class ListenOptions(BaseModel):
    """The fields of the JSON body, or of the form beside the file."""

    model_config = ConfigDict(extra="forbid")

    language: SpokenLanguage = Field("en", description="ISO 639-1 code, or `auto` to find out.", examples=["en"])
    punctuate: bool = Field(True, description="Write punctuation marks.")
    diarize: bool = Field(False, description="Tell speakers apart and answer with `speakers`.")
    num_speakers: int | None = Field(None, description="How many people speak, where known; needs `diarize`.")
    timestamps: bool = Field(False, description="Answer with `words` and their times.")
    url: str | None = Field(
        None, description="http, https or s3; instead of a file.", examples=["https://example.com/call.wav"]
    )
    callback_url: str | None = Field(
        None, description="Answer with a job at once, and send its result here.", examples=["https://example.com/hook"]
    )

    def to_request(self, request_id: str, max_duration_s: float) -> TranscriptionRequest:
        """What the pipeline is asked."""
        return TranscriptionRequest(
            request_id=request_id,
            language=None if self.language == "auto" else self.language,
            punctuate=self.punctuate,
            diarize=self.diarize,
            speaker_count=SpeakerCount(exact=self.num_speakers),
            max_duration_s=max_duration_s,
        )


class ListenWord(BaseModel):
    """A word, or a punctuation mark on its own, as the vendor writes them."""

    word: str
    start: float = Field(description="Seconds from the start of the recording.")
    end: float
    confidence: float = Field(ge=0, le=1)
    speaker: str | None = Field(None, description="Only with `diarize`; ours, the vendor's words have none.")


class ListenSpeaker(BaseModel):
    """A turn of one speaker. Turns may overlap; `text` is empty where nothing was understood."""

    speaker: str = Field(examples=["SPEAKER_00"])
    text: str
    start: float
    end: float


class ListenWarning(BaseModel):
    """Something the caller should know about a success."""

    code: str = Field(examples=["no_speech_detected"])
    message: str


class ListenAnswer(BaseModel):
    """The answer of a synchronous call. `warnings` is ours and only there when there are any."""

    request_id: str = Field(examples=["0a1b2c3d-4e5f-4607-8293-a4b5c6d7e8f9"])
    text: str
    confidence: float = Field(ge=0, le=1)
    duration: float = Field(description="Length of the recording in seconds.")
    language: str | None = Field(description="Detected or specified; null where nobody speaks.")
    words: list[ListenWord] | None = Field(None, description="Only with `timestamps`.")
    speakers: list[ListenSpeaker] | None = Field(None, description="Only with `diarize`.")
    warnings: list[ListenWarning] | None = None


class ListenAccepted(BaseModel):
    """The answer of a call with `callback_url`: the job and its audio are stored."""

    job_id: str = Field(examples=["job_0a1b2c3d4e5f"])
    status: str = Field(examples=["processing"])


_OPTIONS_SCHEMA = ListenOptions.model_json_schema()["properties"]
_LISTEN_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["url"],
                    "additionalProperties": False,
                    "properties": _OPTIONS_SCHEMA,
                }
            },
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        AUDIO_PART: {"type": "string", "format": "binary", "description": "The recording."},
                        **_OPTIONS_SCHEMA,
                    },
                }
            },
        },
    }
}


@router.post(
    "/v1/listen",
    response_model=ListenAnswer | ListenAccepted,
    responses=ERROR_RESPONSES,
    openapi_extra=_LISTEN_BODY,
    summary="Transcribe a recording",
)
async def listen(request: Request, services: Annotated[Services, Depends(services_of)]) -> JSONResponse:
    """Decode, gate, recognise and, on request, diarize one recording: an upload, or one that is fetched.

    With `callback_url` the answer is a job, and the result is sent there.
    """
    async with visiting(request, services, NAME) as visit:
        options, audio = await _read(request, services)
        transcription = options.to_request(this_request().request_id, services.settings.limits.max_duration_s_in(NAME))
        check_request(transcription, visit.plan, services.settings, _NAMES)
        callback = None if options.callback_url is None else Callback(options.callback_url)
        if callback is not None:
            services.jobs.check_callback(callback)
        if audio is None:
            audio = await _fetched(options, services)
        if callback is None:
            transcript = await services.transcriptions.run(visit, transcription, audio)
        else:
            presentation = options.model_dump_json(exclude={"url", "callback_url"})
            order = JobOrder(NAME, transcription, presentation, callback)
            job = await services.jobs.accept(visit, order, audio)
            return JSONResponse(ListenAccepted(job_id=job.id, status="processing").model_dump())
    return await written(lambda: to_answer(transcript, options))


async def _read(request: Request, services: Services) -> tuple[ListenOptions, npt.NDArray[np.uint8] | None]:
    check_url(request, ListenOptions.model_fields)
    if is_json(request):
        body = await read_json(request, services.settings.limits)
        options = ListenOptions.model_validate({name: value for name, value in body.items() if value != ""})
        audio = None
    elif is_urlencoded(request):
        raise InvalidParameter(
            "body", "needs Content-Type: application/json for JSON, or multipart/form-data for a file"
        )
    else:
        limits = services.settings.limits
        form = await read_form(request, limits, AUDIO_PART, limits.max_bytes_in(NAME))
        options = ListenOptions.model_validate(form.fields)
        audio = form.audio
    if options.url is not None and audio is not None:
        raise InvalidParameter("url", "cannot be given together with audio")
    if options.url is None and audio is None:
        raise MissingParameter(AUDIO_PART)
    return options, audio


async def _fetched(options: ListenOptions, services: Services) -> npt.NDArray[np.uint8]:
    return await services.sources.fetch(options.url or "", services.settings.limits.max_bytes_in(NAME))


def to_answer(transcript: Transcript, options: ListenOptions) -> ListenAnswer:
    """The neutral transcript in the vendor's words; parts that were not asked for stay unset."""
    words = transcript.words
    parts: dict[str, Any] = {}
    if options.timestamps:
        parts["words"] = [entry for word in words for entry in _word_entries(word, options)]
    if options.diarize:
        parts["speakers"] = [_speaker(turn) for turn in spoken_turns(transcript.segments, transcript.turns)]
    if transcript.warnings:
        parts["warnings"] = [
            ListenWarning(code=warning.code.value, message=warning.message) for warning in transcript.warnings
        ]
    return ListenAnswer(
        request_id=transcript.request_id,
        text=transcript.text,
        confidence=round(transcript.confidence, 4),
        duration=round(transcript.duration_s, 3),
        language=transcript.language,
        **parts,
    )


def _speaker(turn: Segment) -> ListenSpeaker:
    return ListenSpeaker(
        speaker=turn.speaker or "", text=turn.text, start=round(turn.start_s, 3), end=round(turn.end_s, 3)
    )


def _word_entries(word: Word, options: ListenOptions) -> list[ListenWord]:
    """A word and, in an entry of its own with no duration, the mark behind it: the vendor's sample does so."""
    start, end = round(word.start_s, 3), round(word.end_s, 3)
    speaker = {"speaker": word.speaker} if options.diarize else {}
    bare = (word.text.rstrip(MARKS) if options.punctuate else "") or word.text
    entries = [ListenWord(word=bare, start=start, end=end, confidence=round(word.confidence, 4), **speaker)]
    if bare != word.text:
        entries.append(ListenWord(word=word.text[len(bare) :], start=end, end=end, confidence=1.0, **speaker))
    return entries


class _Callbacks:
    """``{"job_id", "status", "result"}``: the vendor shows ``text`` and ``confidence``; this is the whole answer."""

    def completed(self, job: Job, transcript: Transcript) -> dict[str, Any]:
        """See CallbackForm."""
        options = ListenOptions.model_validate_json(job.order.presentation)
        result = to_answer(transcript, options).model_dump(exclude_unset=True)
        return {"job_id": job.id, "status": "completed", "result": result}

    def failed(self, job: Job, failure: JobFailure) -> dict[str, Any]:
        """See CallbackForm."""
        return {"job_id": job.id, "status": "failed", "error": failure.message}


DIALECT = Dialect(NAME, router, _Callbacks(), error_body, ("/",))
