"""Smallest self-host: ``POST /v1/listen`` with an uploaded file, and the health calls of its chart.

Source: the vendor's self-host pages and Helm chart. Where they are silent, the choices are marked below.
"""

from __future__ import annotations

import time
import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deployments.contracts import Segment, SpeakerCount, Transcript, TranscriptionRequest, Word
from deployments.errors import (
    InvalidParameter,
    InvalidRequest,
    MissingParameter,
    RayscribeError,
    UnsupportedParameter,
)
from serve_app import __version__
from serve_app.assembly import spoken_turns
from serve_app.capabilities import ParameterNames, check_request
from serve_app.dialects.smallest_selfhost_errors import ERROR_RESPONSES, error_response
from serve_app.services import Services, services_of
from serve_app.uploads import read_form, read_json_keys

AUDIO_PART = "audio"
_NAMES = ParameterNames(language="language", speaker_count="num_speakers")
_MARKS = ".,!?;:…"

router = APIRouter(tags=["Smallest self-host"])


class ListenOptions(BaseModel):
    """The form fields beside the file."""

    model_config = ConfigDict(extra="forbid")

    language: str = Field("en", description="ISO 639-1 code, or `auto` to find out.", examples=["en"])
    punctuate: bool = Field(True, description="Write punctuation marks.")
    diarize: bool = Field(False, description="Tell speakers apart and answer with `speakers`.")
    num_speakers: int | None = Field(None, description="How many people speak, where known; needs `diarize`.")
    timestamps: bool = Field(False, description="Answer with `words` and their times.")

    def to_request(self, request_id: str) -> TranscriptionRequest:
        """What the pipeline is asked."""
        return TranscriptionRequest(
            request_id=request_id,
            language=None if self.language == "auto" else self.language,
            punctuate=self.punctuate,
            diarize=self.diarize,
            speaker_count=SpeakerCount(exact=self.num_speakers),
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

    request_id: str = Field(examples=["req_0a1b2c3d4e5f"])
    text: str
    confidence: float = Field(ge=0, le=1)
    duration: float = Field(description="Length of the recording in seconds.")
    language: str | None = Field(description="Detected or specified; null where nobody speaks.")
    words: list[ListenWord] | None = Field(None, description="Only with `timestamps`.")
    speakers: list[ListenSpeaker] | None = Field(None, description="Only with `diarize`.")
    warnings: list[ListenWarning] | None = None


_LISTEN_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [AUDIO_PART],
                    "properties": {
                        AUDIO_PART: {"type": "string", "format": "binary", "description": "The recording."},
                        **ListenOptions.model_json_schema()["properties"],
                    },
                }
            }
        },
    }
}


@router.post(
    "/v1/listen",
    response_model=ListenAnswer,
    responses=ERROR_RESPONSES,
    openapi_extra=_LISTEN_BODY,
    summary="Transcribe an uploaded recording",
)
async def listen(request: Request, services: Annotated[Services, Depends(services_of)]) -> JSONResponse:
    """Decode, gate, recognise and, on request, diarize one recording."""
    with services.admission.admitted():
        options, transcript = await _transcribed(request, services)
    return JSONResponse(to_answer(transcript, options).model_dump(exclude_unset=True))


async def _transcribed(request: Request, services: Services) -> tuple[ListenOptions, Transcript]:
    if request.headers.get("content-type", "").lower().startswith("application/json"):
        raise _url_source(await read_json_keys(request))
    form = await read_form(request, AUDIO_PART, services.settings.limits.max_bytes)
    options = _options(form.fields, has_audio=form.audio is not None)
    if form.audio is None:
        raise MissingParameter(AUDIO_PART)
    transcription = options.to_request(f"req_{uuid.uuid4().hex}")
    check_request(transcription, services.settings, _NAMES)
    return options, await services.pipeline.transcribe(transcription, form.audio)


def _options(fields: dict[str, str], *, has_audio: bool) -> ListenOptions:
    if "url" in fields and has_audio:
        raise InvalidParameter("url", "cannot be given together with audio")
    for name in ("url", "callback_url"):
        if name in fields:
            raise UnsupportedParameter(name, "this release takes uploads and answers at once")
    try:
        return ListenOptions.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        reason = "is not a parameter of this call" if first["type"] == "extra_forbidden" else first["msg"]
        raise InvalidParameter(name, reason) from None


def _url_source(keys: set[str]) -> InvalidRequest:
    if "url" in keys:
        return UnsupportedParameter("url", "this release takes uploads: send the file as the multipart part 'audio'")
    return MissingParameter(AUDIO_PART)


def to_answer(transcript: Transcript, options: ListenOptions) -> ListenAnswer:
    """The neutral transcript in the vendor's words; parts that were not asked for stay unset."""
    words = transcript.words
    confidence = sum(word.confidence for word in words) / len(words) if words else 0.0
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
        confidence=round(confidence, 4),
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
    bare = (word.text.rstrip(_MARKS) if options.punctuate else "") or word.text
    entries = [ListenWord(word=bare, start=start, end=end, confidence=round(word.confidence, 4), **speaker)]
    if bare != word.text:
        entries.append(ListenWord(word=word.text[len(bare) :], start=end, end=end, confidence=1.0, **speaker))
    return entries


@router.get("/health", summary="Can the service take work?")
async def health(
    services: Annotated[Services, Depends(services_of)],
    detailed: Annotated[bool, Query(description="Name every stage.")] = False,
) -> JSONResponse:
    """200 while every stage has a running replica, 503 with the reason otherwise."""
    try:
        missing = (stages := await services.health()).missing
    except TimeoutError:
        return JSONResponse({"status": "unhealthy", "reason": "The controller does not answer"}, status_code=503)
    body: dict[str, Any] = {"status": "unhealthy" if missing or not stages.running else "healthy"}
    if "Recognizer" in missing:
        body["reason"] = "No ASR workers available"
    elif missing:
        body["reason"] = f"No workers available for: {', '.join(missing)}"
    if detailed:
        body["components"] = {name: "healthy" if replicas else "unhealthy" for name, replicas in stages.running.items()}
        body["uptime_seconds"] = round(time.monotonic() - services.started_s, 1)
        body["version"] = __version__
        body["profile"] = services.settings.profile
    return JSONResponse(body, status_code=200 if body["status"] == "healthy" else 503)


@router.get("/api/v1/health", include_in_schema=False)
async def chart_health() -> JSONResponse:
    """What the vendor's chart probes: this process answers."""
    return JSONResponse({"status": "healthy"})


@router.get("/healthz", summary="Readiness")
async def healthz(services: Annotated[Services, Depends(services_of)]) -> JSONResponse:
    """``{"ready": true}`` once every stage has a running replica."""
    try:
        stages = await services.health()
        ready = bool(stages.running) and not stages.missing
    except TimeoutError:
        ready = False
    return JSONResponse({"ready": ready}, status_code=200 if ready else 503)


def install(app: FastAPI) -> None:
    """Add this dialect's routes and its form of our errors."""
    app.include_router(router)
    app.add_exception_handler(Exception, error_response)
    app.add_exception_handler(RayscribeError, error_response)
