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
from serve_app.dialects.errors import route_class
from serve_app.dialects.openai.errors import MODEL_ERRORS, MODELS_ERRORS, error_body
from serve_app.services import Services, services_of

router = APIRouter(tags=["OpenAI"], route_class=route_class(error_body))


class Model(BaseModel):
    """A model that can be used here."""

    id: str = Field(description="The recognition engine's name.", examples=["moonshine-tiny-en"])
    object: Literal["model"] = Field("model", description="What this is.", examples=["model"])
    created: int = Field(
        0, description="Unix time at which the model was made; always 0, since engines do not say.", examples=[0]
    )
    owned_by: str = Field("rayscribe", description="Who serves it.", examples=["rayscribe"])


class ModelList(BaseModel):
    """All of them."""

    object: Literal["list"] = Field("list", description="What this is.", examples=["list"])
    data: list[Model] = Field(description="The models.")


@router.get("/v1/models", response_model=ModelList, responses=MODELS_ERRORS, summary="List the models")
async def list_models(request: Request, services: Annotated[Services, Depends(services_of)]) -> ModelList:
    """The recognition engine of the profile. A transcription takes any other name for it, too."""
    await services.access.identified(credential_of(request))
    return ModelList(data=[Model(id=services.settings.recognition.engine)])


@router.get("/v1/models/{model:path}", response_model=Model, responses=MODEL_ERRORS, summary="Describe a model")
async def describe_model(
    request: Request,
    services: Annotated[Services, Depends(services_of)],
    model: Annotated[str, PathParameter(description="A name from the list.", examples=["moonshine-tiny-en"])],
) -> Model:
    """One of the list."""
    await services.access.identified(credential_of(request))
    if model != services.settings.recognition.engine:
        raise NotFound("model", model)
    return Model(id=model)
