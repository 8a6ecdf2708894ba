"""60db: ``POST /stt`` and the two calls that tell what it can do.

Source: the vendor's API reference, skills and changelog. Where they are silent or cannot be honoured:

* Fields that the reference does not name are ignored: it mentions tuning of the language detection without a name for
  it.
* ``context``: see sixtydb_context.
* Digits, entities and marks of direction are normalised without being asked for, as the vendor does; ``original`` tells
  what was heard. ``script_correction`` is between Devanagari and Latin.
* ``hash_id`` is a fingerprint of the file, ``has_audio`` whether there was any audio in it.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from deployments.contracts import SpeakerCount, TranscriptionRequest, VocabularyTerm
from deployments.errors import InvalidParameter, MissingParameter
from serve_app.access.plans import Plan
from serve_app.capabilities import ParameterNames, check_request
from serve_app.dialects.answers import written
from serve_app.dialects.dialect import Dialect, visiting
from serve_app.dialects.errors import route_class
from serve_app.dialects.languages import SpokenLanguage, plain_code
from serve_app.dialects.sixtydb_answer import SttAnswer, WordDetails, to_answer
from serve_app.dialects.sixtydb_catalogue import router as catalogue
from serve_app.dialects.sixtydb_context import Heeded, heeded, read_context
from serve_app.dialects.sixtydb_errors import ERROR_RESPONSES, error_body
from serve_app.dialects.weighted_terms import listed, weighted_term
from serve_app.request_log import this_request
from serve_app.services import Services, services_of
from serve_app.settings import LimitSettings, Settings
from serve_app.uploads import check_url, read_form
from serve_app.vocabulary_limits import LIMIT_NOTE, MOST_CONTEXT_CHARACTERS, MOST_TERMS, limited

NAME = "sixtydb"
AUDIO_PART = "file"
_OLDER_AUDIO_PARTS = frozenset({"audio"})
_DEFAULT_WEIGHT = 1.5
_LARGEST_WEIGHT = 10.0

router = APIRouter(tags=["60db"], route_class=route_class(error_body))


class SttOptions(BaseModel):
    """The fields of the form beside the file."""

    model_config = ConfigDict(extra="ignore")

    language: SpokenLanguage | None = Field(
        None, description="ISO 639-1 code; without it, or with `auto`, it is found out.", examples=["en"]
    )
    languages: str | None = Field(
        None, description="Languages to find out among, separated by commas; all by default.", examples=["en"]
    )
    diarize: bool = Field(False, description="Tell speakers apart and fill `speakers`.", examples=[True])
    min_speakers: int | None = Field(
        None, description="Only read with `diarize`; zero or less says nothing.", examples=[2]
    )
    max_speakers: int | None = Field(
        None, description="Only read with `diarize`; zero or less says nothing.", examples=[4]
    )
    return_timestamps: Literal["none", "word"] = Field(
        "none", description="`word`: words carry `start` and `end`.", examples=["word"]
    )
    include_confidence: bool = Field(False, description="Words carry `confidence`.", examples=[True])
    context: str | None = Field(
        None,
        description="What the recording is about, for a language model that polishes the text: a paragraph, or JSON "
        'of the form `{"general":[{"key":"domain","value":"health"}],"text":"…","terms":["…"]}`, of at most '
        f"{MOST_CONTEXT_CHARACTERS} characters beside the terms. Terms are keywords as well, and with `keywords` at "
        f"most {MOST_TERMS}. Without a model so are the names in the rest, and `llm_refinement_unavailable` is told; "
        "where the plan has no refinement, the rest is left out with the warning `llm_refinement_not_in_plan`.",
        examples=["A call about a broken modem"],
    )
    keywords: str | None = Field(
        None,
        description="Terms that may be said, `term` or `term:weight`, separated by commas. The weight is above 0, at "
        "most 10, and 1.5 by default; the higher, the more readily a similar word becomes the term. "
        f"{LIMIT_NOTE}",
        examples=["Rayscribe:3,Kubernetes"],
    )
    script_correction: bool = Field(
        False,
        description="Bring words in another script than that of their segment's language to it: Devanagari or Latin.",
        examples=[True],
    )

    def heeded_context(self, plan: Plan, settings: Settings) -> Heeded:
        """What of the context can be used.

        Raises:
            InvalidParameter, pydantic.ValidationError: it cannot be read, or has too many terms.
        """
        context = None if self.context is None else read_context(self.context)
        return heeded(context, plan, settings, other_terms=len(listed(self.keywords)))

    def to_request(self, request_id: str, limits: LimitSettings, context: Heeded) -> TranscriptionRequest:
        """What the pipeline is asked.

        Raises:
            InvalidParameter: fields that contradict each other, or keywords that cannot be read or are too many.
        """
        language = None if self.language == "auto" else self.language
        candidates = tuple(dict.fromkeys(code for code in map(plain_code, listed(self.languages)) if code != "auto"))
        if language is not None and candidates and language not in candidates:
            raise InvalidParameter("language", "is not one of languages")
        return TranscriptionRequest(
            request_id=request_id,
            language=language,
            candidates=candidates if language is None else (),
            diarize=self.diarize,
            speaker_count=speaker_count(self.min_speakers, self.max_speakers) if self.diarize else SpeakerCount(),
            vocabulary=_each_once((*limited("keywords", _terms(self.keywords)), *context.vocabulary)),
            context=context.refinement,
            numerals=True,
            script_correction=self.script_correction,
            max_duration_s=limits.max_duration_s_in(NAME),
        )

    def names(self) -> ParameterNames:
        """Those of the errors; a minimum is not larger than a maximum here."""
        return ParameterNames(language="language", speaker_count=larger_count(self.max_speakers))


def larger_count(maximum: int | None) -> str:
    """The field to blame where there cannot be so many speakers."""
    return "max_speakers" if (maximum or 0) > 0 else "min_speakers"


def speaker_count(minimum: int | None, maximum: int | None, within: str = "") -> SpeakerCount:
    """What is known of how many people speak; zero or less says nothing. Fields are named ``within`` their message.

    Raises:
        InvalidParameter: the two contradict each other.
    """
    least, most = (number if number is not None and number > 0 else None for number in (minimum, maximum))
    if least is not None and most is not None and least > most:
        raise InvalidParameter(f"{within}min_speakers", "is larger than max_speakers")
    return SpeakerCount(minimum=least, maximum=most)


def _terms(keywords: str | None) -> Iterator[VocabularyTerm]:
    return (weighted_term(entry, _DEFAULT_WEIGHT, _LARGEST_WEIGHT) for entry in listed(keywords))


def _each_once(terms: Iterable[VocabularyTerm]) -> tuple[VocabularyTerm, ...]:
    """With the weight that it was first given."""
    first: dict[str, VocabularyTerm] = {}
    for term in terms:
        first.setdefault(term.text, term)
    return tuple(first.values())


_OPTIONS_SCHEMA = SttOptions.model_json_schema()["properties"]
_STT_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [AUDIO_PART],
                    "properties": {
                        AUDIO_PART: {
                            "type": "string",
                            "format": "binary",
                            "description": "The recording. Its older name, `audio`, is taken as well.",
                        },
                        **_OPTIONS_SCHEMA,
                    },
                }
            }
        },
    }
}


@router.post(
    "/stt",
    response_model=SttAnswer,
    response_model_exclude_unset=True,
    responses=ERROR_RESPONSES,
    openapi_extra=_STT_BODY,
    summary="Transcribe a recording",
)
async def transcribe(request: Request, services: Annotated[Services, Depends(services_of)]) -> JSONResponse:
    """Decode, gate, recognise and, on request, diarize an uploaded recording."""
    async with visiting(request, services, NAME) as visit:
        check_url(request, SttOptions.model_fields)
        limits = services.settings.limits
        form = await read_form(
            request, limits, AUDIO_PART, limits.max_bytes_in(NAME), older_audio_parts=_OLDER_AUDIO_PARTS
        )
        options = SttOptions.model_validate(form.fields)
        if form.audio is None:
            raise MissingParameter(AUDIO_PART)
        context = options.heeded_context(visit.plan, services.settings)
        transcription = options.to_request(this_request().request_id, limits, context)
        check_request(transcription, visit.plan, services.settings, options.names())
        fingerprint = await asyncio.to_thread(hashlib.sha256, form.audio.data)
        started_s = time.perf_counter()
        transcript = await services.transcriptions.run(visit, transcription, form.audio)
        processing_s = time.perf_counter() - started_s
    details = WordDetails(times=options.return_timestamps == "word", confidences=options.include_confidence)
    complete = replace(transcript, warnings=(*transcript.warnings, *context.warnings))
    return await written(lambda: to_answer(complete, details, processing_s, fingerprint.hexdigest()[:32]))


router.include_router(catalogue)

DIALECT = Dialect(NAME, router, error_form=error_body, paths=("/stt", "/ws/stt"))
