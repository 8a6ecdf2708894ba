"""60db's ``GET /stt/languages`` and ``GET /stt/models``: what the engines of this profile really do."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from serve_app.access.credentials import credential_of
from serve_app.checkpoints import model_name
from serve_app.dialects.errors import route_class
from serve_app.dialects.languages import language_name, native_name
from serve_app.dialects.sixtydb_errors import CATALOGUE_ERROR_RESPONSES, error_body
from serve_app.services import Services, services_of
from serve_app.settings import Settings

MODEL_ID = "60db-stt-v01"
"""The vendor's only model, which its clients look for. Here it is the first recogniser: requests of 60db name none."""

router = APIRouter(route_class=route_class(error_body), responses=CATALOGUE_ERROR_RESPONSES)


class SttLanguage(BaseModel):
    """A language that can be asked for."""

    code: str = Field(description="ISO 639-1 code, or `auto`.", examples=["hi"])
    name: str = Field(description="In English.", examples=["Hindi"])
    native: str = Field(description="In the language itself.", examples=["हिन्दी"])
    code_switching: bool = Field(description="Whether another language inside a sentence is kept.", examples=[False])


class SttLanguageList(BaseModel):
    """All languages, `auto` first."""

    languages: list[SttLanguage] = Field(description="What `language` may be.")
    total: int = Field(description="Languages, `auto` not counted.", examples=[1])
    features: list[str] = Field(description="What works with them.", examples=[["word_timestamps"]])


class SttLanguages(BaseModel):
    """The answer of `GET /stt/languages`."""

    data: SttLanguageList = Field(description="The languages.")


class SttModel(BaseModel):
    """A model."""

    id: str = Field(description="Name of the model.", examples=[MODEL_ID])
    model_name: str = Field(description="Name of the engine that runs.", examples=["moonshine-tiny-en"])
    description: str = Field(description="For people.", examples=["moonshine-tiny-en of the embedded profile"])
    category: Literal["speech-to-text"] = Field(description="What it does.", examples=["speech-to-text"])
    type: Literal["stt"] = Field(description="What it does, in short.", examples=["stt"])
    languages: int = Field(description="How many languages it transcribes.", examples=[1])
    features: list[str] = Field(description="What can be asked of it.", examples=[["word_timestamps"]])


class SttModels(BaseModel):
    """The answer of `GET /stt/models`."""

    success: Literal[True] = Field(description="Always true.", examples=[True])
    message: str = Field(description="For people.", examples=["STT models retrieved"])
    data: list[SttModel] = Field(description="The models.")


@router.get("/stt/languages", summary="Languages that can be asked for")
async def languages(request: Request, services: Annotated[Services, Depends(services_of)]) -> SttLanguages:
    """Those of the engine that runs, with `auto` before them."""
    await services.access.identified(credential_of(request))
    codes = sorted(services.settings.recognition.capabilities().languages)
    auto = SttLanguage(code="auto", name="Auto-detect", native="Auto-detect", code_switching=False)
    listed = [
        SttLanguage(code=code, name=language_name(code), native=native_name(code), code_switching=False)
        for code in codes
    ]
    return SttLanguages(
        data=SttLanguageList(languages=[auto, *listed], total=len(codes), features=_features(services.settings))
    )


@router.get("/stt/models", summary="Models that run here")
async def models(request: Request, services: Annotated[Services, Depends(services_of)]) -> SttModels:
    """The recogniser of 60db's requests, under the vendor's name for its only model."""
    await services.access.identified(credential_of(request))
    settings = services.settings
    engine = model_name(settings)
    model = SttModel(
        id=MODEL_ID,
        model_name=engine,
        description=f"{engine} of the {settings.profile} profile",
        category="speech-to-text",
        type="stt",
        languages=len(settings.recognition.capabilities().languages),
        features=_features(settings),
    )
    return SttModels(success=True, message="STT models retrieved", data=[model])


def _features(settings: Settings) -> list[str]:
    """The vendor's names where it has them."""
    engine = settings.recognition.capabilities()
    offered = {
        "auto_language_detection": len(engine.languages) > 1,
        "speaker_diarization": True,
        "word_timestamps": engine.word_times,
        "word_confidence": engine.confidences,
        "keyword_boosting": True,
        "llm_refinement": settings.refinement.llm is not None,
    }
    return [feature for feature, present in offered.items() if present]
