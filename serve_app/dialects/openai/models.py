"""``GET /v1/models``: the recognisers that the profile has.

A transcription takes any name for its model, but only what is there is listed: a "whisper-1" in the list would be a
claim that Whisper answers. A name that is not listed is answered by the first.
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
        description="The recogniser: its name in the config, or on a hub, of its folder, or of an engine with its own "
        "weights.",
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


# Otherwise it would be a model without a name.
@router.get("/v1/models/", include_in_schema=False)
@router.get("/v1/models", response_model=ModelList, responses=MODELS_ERRORS, summary="List the models")
async def list_models(request: Request, services: Annotated[Services, Depends(services_of)]) -> ModelList:
    """The recognisers of the profile. A transcription takes any other name for the first of them."""
    await services.access.identified(credential_of(request))
    return ModelList(data=_models(services.settings))


@router.get("/v1/models/{model:path}", response_model=Model, responses=MODEL_ERRORS, summary="Describe a model")
async def describe_model(
    request: Request,
    services: Annotated[Services, Depends(services_of)],
    model: Annotated[str, PathParameter(description="A name from the list.", examples=["moonshine-tiny-en"])],
) -> Model:
    """One of the list."""
    await services.access.identified(credential_of(request))
    for described in _models(services.settings):
        if described.id == model:
            return described
    raise NotFound("model", model)


def _models(settings: Settings) -> list[Model]:
    """The one that answers to any name first, then those that must be asked for."""
    further = (_model(model, settings.serving(model)) for model in settings.recognizers)
    return [_model(model_name(settings), settings), *further]


def _model(name: str, settings: Settings) -> Model:
    recognition = settings.recognition.capabilities()
    return Model(
        id=name,
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
