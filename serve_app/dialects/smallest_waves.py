"""Smallest Waves, pre-recorded: ``POST /waves/v1/stt/`` and its older paths.

Source: the vendor's OpenAPI documents and SDK. Where they contradict each other or cannot be honoured:

* One engine answers as both models: ``pulse`` and ``pulse-pro`` are two forms of the same transcript. A URL and a
  webhook, which the vendor keeps for one of them, work with either; ``diarize`` does not with ``pulse-pro``, whose
  answer has no place for speakers.
* A parameter of the vendor's that the profile cannot honour is a 400 when it is on. Parameters that nobody documents
  are ignored, as the vendor ignores them: clients of newer versions send more than older servers know.
* Without ``language`` it is found out, as the vendor's live service does.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from deployments.contracts import Transcript, TranscriptionRequest
from deployments.errors import InvalidParameter, MissingParameter, UnsupportedParameter
from serve_app.access.visit import Visit
from serve_app.capabilities import check_request
from serve_app.dialects.answers import written
from serve_app.dialects.dialect import Dialect, visiting
from serve_app.dialects.errors import route_class
from serve_app.dialects.smallest_waves_answer import (
    Model,
    Presentation,
    PulseAnswer,
    PulseProAnswer,
    WavesAccepted,
    to_answer,
)
from serve_app.dialects.smallest_waves_errors import ERROR_RESPONSES, error_body
from serve_app.dialects.smallest_waves_query import PARAMETER_NAMES, Flag, Language, fields_of, spoken
from serve_app.jobs.contracts import Callback, Job, JobFailure, JobOrder
from serve_app.request_log import this_request
from serve_app.services import Services, services_of
from serve_app.settings import LimitSettings
from serve_app.sources.s3_source import is_s3_url, parse_s3_url
from serve_app.uploads import is_json, read_json, read_raw

NAME = "smallest_waves"

# Found by content; what has no header cannot be.
_CONTAINERS = frozenset({"wav", "mp3", "flac", "ogg", "ogg_opus", "m4a", "mp4", "aac", "webm", "aiff"})

router = APIRouter(tags=["Smallest Waves"], route_class=route_class(error_body))


class WavesOptions(BaseModel):
    """The query string."""

    model_config = ConfigDict(extra="ignore")

    model: Model = Field(description="Form of the answer.", examples=["pulse"])
    language: Language = Field(
        "multi",
        description="ISO 639-1 code, `multi` to find out, or `multi-eu`, `multi-indic`, `multi-asian` to find out "
        "among a region's.",
        examples=["en"],
    )
    word_timestamps: Flag = Field(False, description="Fill `words` and `utterances`.", examples=[True])
    diarize: Flag = Field(
        False,
        description="Name speakers in `words` and `utterances`; without `word_timestamps` both are empty, and nothing "
        "is done or charged for it. Not with `pulse-pro`.",
        examples=[True],
    )
    webhook_url: str | None = Field(
        None, description="Answer at once, and send the result here.", examples=["https://example.com/hook"]
    )
    webhook_method: Literal["GET", "POST"] | None = Field(
        None, description="How to call the webhook; POST by default.", examples=["POST"]
    )
    webhook_extra: str | None = Field(
        None, description="Handed to the webhook as it came.", examples=["order:17,customer:ada"]
    )
    punctuate: Flag = Field(True, description="Write punctuation marks.", examples=[True])
    capitalize: Flag = Field(True, description="Write capitals.", examples=[True])
    format: Flag = Field(True, description="`false` turns `punctuate` and `capitalize` off.", examples=[True])
    encoding: str | None = Field(
        None,
        description="Name of the file's format, which is found by content anyway. Audio without a header is refused.",
        examples=["wav"],
    )
    redact_pii: Flag = Field(False, description="Not in this profile: `true` is refused.", examples=[False])
    redact_pci: Flag = Field(False, description="Not in this profile: `true` is refused.", examples=[False])
    emotion_detection: Flag = Field(False, description="Not in this profile: `true` is refused.", examples=[False])
    gender_detection: Flag = Field(False, description="Not in this profile: `true` is refused.", examples=[False])
    age_detection: str | None = Field(
        None, description="Ignored: the vendor took it out of its API and ignores it.", examples=["false"]
    )

    def to_request(self, request_id: str, limits: LimitSettings) -> TranscriptionRequest:
        """What the pipeline is asked."""
        language, candidates = spoken(self.language)
        return TranscriptionRequest(
            request_id=request_id,
            language=language,
            candidates=candidates,
            punctuate=self.punctuate and self.format,
            diarize=self.diarize and self.word_timestamps,
            max_duration_s=limits.max_duration_s_in(NAME),
        )

    def callback(self) -> Callback | None:
        """Where the result is to be sent."""
        if self.webhook_url is None:
            return None
        return Callback(self.webhook_url, self.webhook_method or "POST", self.webhook_extra)

    def check(self) -> None:
        """Refuse what cannot be honoured.

        Raises:
            UnsupportedParameter: a valid wish that this service does not fulfil.
            InvalidParameter: a webhook's option without a webhook.
        """
        for name in ("redact_pii", "redact_pci", "emotion_detection", "gender_detection"):
            if getattr(self, name):
                raise UnsupportedParameter(name, "no engine of this profile does it")
        if self.diarize and self.model == "pulse-pro":
            raise UnsupportedParameter("diarize", "pulse-pro does not tell speakers apart; pulse does")
        if self.encoding is not None and self.encoding not in _CONTAINERS:
            known = tuple(sorted(_CONTAINERS))
            raise UnsupportedParameter("encoding", "audio without a header is not read", known)
        for name in ("webhook_method", "webhook_extra"):
            if getattr(self, name) is not None and self.webhook_url is None:
                raise InvalidParameter(name, "needs webhook_url")


class WavesSource(BaseModel):
    """The JSON body."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(description="http, https or s3.", examples=["https://example.com/call.wav"])


def _query_parameters(required: bool) -> list[dict[str, Any]]:
    """OpenAPI's form of the options. FastAPI would read them itself, but before the key is looked at."""
    return [
        {
            "name": name,
            "in": "query",
            "required": required and name == "model",
            "description": schema.pop("description"),
            "example": schema.pop("examples")[0],
            "schema": schema,
        }
        for name, schema in WavesOptions.model_json_schema()["properties"].items()
    ]


def _documentation(required: bool) -> dict[str, Any]:
    recording = {"schema": {"type": "string", "format": "binary"}}
    source = {"schema": WavesSource.model_json_schema()}
    content = {"application/octet-stream": recording, "audio/*": recording, "application/json": source}
    return {
        "parameters": _query_parameters(required),
        "requestBody": {"required": True, "description": "The recording, or where it is.", "content": content},
    }


@router.post("/waves/v1/stt", include_in_schema=False)
@router.post(
    "/waves/v1/stt/",
    response_model=PulseAnswer | PulseProAnswer | WavesAccepted,
    response_model_exclude_unset=True,
    responses=ERROR_RESPONSES,
    openapi_extra=_documentation(required=True),
    summary="Transcribe a recording",
)
async def transcribe(request: Request, services: Annotated[Services, Depends(services_of)]) -> JSONResponse:
    """Decode, gate, recognise and, on request, diarize one recording: the body, or one that is fetched.

    With `webhook_url` the answer is `{"status": "processing"}`, and the result is sent there.
    """
    return await _transcribed(request, services)


@router.post("/api/v1/lightning/get_text", include_in_schema=False)
@router.post("/api/v1/pulse/get_text", include_in_schema=False)
@router.post(
    "/waves/v1/pulse/get_text",
    response_model=PulseAnswer | PulseProAnswer | WavesAccepted,
    response_model_exclude_unset=True,
    responses=ERROR_RESPONSES,
    openapi_extra=_documentation(required=False),
    deprecated=True,
    summary="Transcribe a recording (older path)",
)
async def get_text(request: Request, services: Annotated[Services, Depends(services_of)]) -> JSONResponse:
    """The same as `/waves/v1/stt/`, where `model` may be left out. `/api/v1/pulse/get_text` is this path, too."""
    return await _transcribed(request, services, "pulse")


async def _transcribed(request: Request, services: Services, default_model: Model | None = None) -> JSONResponse:
    response = await _answered(request, services, default_model)
    # A wish that the content be deleted after a week; what is kept, and how long, is the operator's to say.
    if request.headers.get("x-expire-content", "").lower() == "true":
        response.headers["x-content-expiry"] = "unavailable"
    return response


async def _answered(request: Request, services: Services, default_model: Model | None) -> JSONResponse:
    async with visiting(request, services, NAME) as visit:
        options = _options(request, default_model)
        transcription = options.to_request(this_request().request_id, services.settings.limits)
        check_request(transcription, visit.plan, services.settings, PARAMETER_NAMES)
        callback = options.callback()
        if callback is not None:
            with _webhook_url_named():
                services.jobs.check_callback(callback)
        audio, filename = await _received(request, services)
        presentation = Presentation(
            model=options.model,
            word_timestamps=options.word_timestamps,
            capitalize=options.capitalize and options.format,
            total_bytes=audio.nbytes,
            filename=filename,
        )
        if callback is not None:
            order = JobOrder(NAME, transcription, presentation.model_dump_json(), callback)
            return JSONResponse((await _accepted(visit, order, audio, services)).model_dump())
        started_s = time.perf_counter()
        transcript = await services.transcriptions.run(visit, transcription, audio)
        processing_s = time.perf_counter() - started_s
    return await written(lambda: to_answer(transcript, presentation, processing_s))


def _options(request: Request, default_model: Model | None) -> WavesOptions:
    options = WavesOptions.model_validate(fields_of(request.query_params, WavesOptions, default_model))
    options.check()
    return options


async def _received(request: Request, services: Services) -> tuple[npt.NDArray[np.uint8], str | None]:
    """The file, and its name where it came from a URL."""
    limits = services.settings.limits
    max_bytes, filename = limits.max_bytes_in(NAME), None
    if is_json(request):
        url = WavesSource.model_validate(await read_json(request, limits)).url
        audio = await services.sources.fetch(url, max_bytes)
        filename = _filename(url)
    else:
        audio = await read_raw(request, limits, max_bytes)
    if not audio.size:
        raise MissingParameter("body")
    if audio[:1].tobytes() == b"{":
        raise InvalidParameter("body", "is no audio: JSON is read with Content-Type: application/json")
    return audio, filename


def _filename(url: str) -> str | None:
    path = parse_s3_url(url).key if is_s3_url(url) else unquote(urlsplit(url).path)
    return PurePosixPath(path).name or None


async def _accepted(visit: Visit, order: JobOrder, audio: npt.NDArray[np.uint8], services: Services) -> WavesAccepted:
    with _webhook_url_named():
        await services.jobs.accept(visit, order, audio)
    return WavesAccepted(status="processing", request_id=order.request.request_id)


@contextlib.contextmanager
def _webhook_url_named() -> Iterator[None]:
    """What is wrong with a callback is told by this dialect's name of the parameter."""
    try:
        yield
    except InvalidParameter as error:
        raise InvalidParameter("webhook_url", error.reason) from error


class _Callbacks:
    """The whole answer with ``request_id``, in the form of either model, and ``webhook_extra`` as it came."""

    def completed(self, job: Job, transcript: Transcript) -> dict[str, Any]:
        """See CallbackForm."""
        times = (job.started_at_s, job.ended_at_s)
        processing_s = None if times[0] is None or times[1] is None else times[1] - times[0]
        answer = to_answer(transcript, Presentation.model_validate_json(job.order.presentation), processing_s)
        return {**answer.model_dump(exclude_unset=True), **_of_job(job)}

    def failed(self, job: Job, failure: JobFailure) -> dict[str, Any]:
        """See CallbackForm."""
        return {"status": "failed", "error": failure.message, "message": failure.message, **_of_job(job)}


def _of_job(job: Job) -> dict[str, str]:
    extra = job.order.callback.extra
    return {"request_id": job.order.request.request_id, **({} if extra is None else {"webhook_extra": extra})}


DIALECT = Dialect(NAME, router, _Callbacks(), error_body, ("/waves", "/api/v1/pulse", "/api/v1/lightning"))
