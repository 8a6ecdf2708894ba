"""``GET /v1/models``: what the profile has, which is one recogniser.

A transcription takes any name for its model, but only what is there is listed: a "whisper-1" in the list would be a
claim that Whisper answers.
"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from fastapi import Path as PathParameter
from pydantic import BaseModel, Field

from deployments.errors import NotFound
from serve_app.access.credentials import credential_of
from serve_app.checkpoints import model_name
from serve_app.dialects.errors import route_class
from serve_app.dialects.openai.errors import MODEL_ERRORS, MODELS_ERRORS, error_body
from serve_app.services import Services, services_of
from serve_app.settings import Settings

router = APIRouter(tags=["OpenAI"], route_class=route_class(error_body))


class ModelCapabilities(BaseModel):
    """What the engines of the profile publish."""

    languages: list[str] = Field(description="Languages that it transcribes, ISO 639-1.", examples=[["en"]])
    language_detection: bool = Field(description="It finds out which of them is spoken.", examples=[False])
    word_timestamps: bool = Field(description="Words carry times.", examples=[True])
    word_confidences: bool = Field(description="Words carry probabilities.", examples=[True])
    prompts: bool = Field(
        description="A prompt makes the recogniser likelier to hear the words in it. Keywords work with every model.",
        examples=[False],
    )
    diarization: bool = Field(description="Speakers are told apart.", examples=[True])
    longest_window_s: float = Field(
        description="Seconds that it hears at once; longer recordings are cut at pauses.", examples=[60.0]
    )


class Model(BaseModel):
    """A model that can be used here."""

    id: str = Field(
        description="The recogniser: its name on a model hub, of its folder, or of the engine with its own weights.",
        examples=["moonshine-tiny-en"],
    )
    object: Literal["model"] = Field("model", description="What this is.", examples=["model"])
    created: int = Field(
        0, description="Unix time at which the model was made; always 0, since engines do not say.", examples=[0]
    )
    owned_by: str = Field("rayscribe", description="Who serves it.", examples=["rayscribe"])
    capabilities: ModelCapabilities = Field(
        description="What can be asked of it; not among OpenAI's fields.",
        examples=[
            {
                "languages": ["en"],
                "language_detection": False,
                "word_timestamps": True,
                "word_confidences": True,
                "prompts": False,
                "diarization": True,
                "longest_window_s": 60.0,
            }
        ],
    )


class ModelList(BaseModel):
    """All of them."""

    object: Literal["list"] = Field("list", description="What this is.", examples=["list"])
    data: list[Model] = Field(description="The models.")


@router.get("/v1/models", response_model=ModelList, responses=MODELS_ERRORS, summary="List the models")
async def list_models(request: Request, services: Annotated[Services, Depends(services_of)]) -> ModelList:
    """The recogniser of the profile. A transcription takes any other name for it, too."""
    await services.access.identified(credential_of(request))
    return ModelList(data=[_model(services.settings)])


@router.get("/v1/models/{model:path}", response_model=Model, responses=MODEL_ERRORS, summary="Describe a model")
async def describe_model(
    request: Request,
    services: Annotated[Services, Depends(services_of)],
    model: Annotated[str, PathParameter(description="A name from the list.", examples=["moonshine-tiny-en"])],
) -> Model:
    """One of the list."""
    await services.access.identified(credential_of(request))
    described = _model(services.settings)
    if model != described.id:
        raise NotFound("model", model)
    return described


def _model(settings: Settings) -> Model:
    recognition = settings.recognition.capabilities()
    return Model(
        id=model_name(settings),
        capabilities=ModelCapabilities(
            languages=sorted(recognition.languages),
            language_detection=len(recognition.languages) > 1,
            word_timestamps=recognition.word_times,
            word_confidences=recognition.confidences,
            prompts=recognition.biasing,
            diarization=True,
            longest_window_s=recognition.longest_window_s,
        ),
    )
