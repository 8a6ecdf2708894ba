"""Ephemeral keys: ``POST /v1/realtime/client_secrets``, and the beta's ``POST /v1/realtime/transcription_sessions``.

A secret opens ``/v1/realtime`` and nothing else, as often as one likes until it expires; sessions that are open then go
on. They count as those of the key that it was made with, and begin with the settings that were given here.
"""

from __future__ import annotations

import uuid
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from serve_app.access.visit import ClientSecret, Visit
from serve_app.dialects.dialect import visiting
from serve_app.dialects.errors import route_class
from serve_app.dialects.openai import routes
from serve_app.dialects.openai.errors import CLIENT_SECRET_ERRORS, error_body
from serve_app.dialects.openai.realtime_parts import (
    BetaUpdate,
    Format,
    Part,
    SessionUpdate,
    Transcription,
    TurnDetection,
)
from serve_app.dialects.openai.realtime_session import RealtimeSettings, beta_name, spelled
from serve_app.services import Services, services_of
from serve_app.uploads import read_json

# The longest vocabulary and the longest prompt, in UTF-8: see vocabulary_limits.
_MAX_BYTES = 5 * 1024 * 1024

router = APIRouter(tags=["OpenAI"], route_class=route_class(error_body))


class ExpiresAfter(Part):
    """When a secret ends. Sessions that are open then go on."""

    anchor: Literal["created_at"] = Field("created_at", description="Where counting begins.", examples=["created_at"])
    seconds: int = Field(600, ge=10, le=7200, description="How long the secret is good.", examples=[600])


class ClientSecretOrder(Part):
    """The body of `POST /v1/realtime/client_secrets`."""

    expires_after: ExpiresAfter = Field(ExpiresAfter(), description="When the secret ends, at the latest with its key.")
    session: SessionUpdate = Field(
        SessionUpdate(type="transcription"), description="What sessions begin with; they may change it."
    )


class BetaSecretOrder(Part):
    """What the beta could be told of the secret."""

    expires_at: ExpiresAfter = Field(ExpiresAfter(), description="When the secret ends, at the latest with its key.")


class BetaOrder(BetaUpdate):
    """The body of `POST /v1/realtime/transcription_sessions`."""

    client_secret: BetaSecretOrder = Field(BetaSecretOrder(), description="When the secret ends.")


class SessionInput(BaseModel):
    """What comes in."""

    format: Format = Field(description="How the audio is written.")
    noise_reduction: None = Field(description="There is none.", examples=[None])
    transcription: Transcription = Field(description="What is to be recognised.")
    turn_detection: TurnDetection | None = Field(description="When the server commits.")


class SessionAudio(BaseModel):
    """Nothing goes out."""

    input: SessionInput = Field(description="What comes in.")


class Session(BaseModel):
    """What sessions begin with."""

    id: str = Field(description="Of these settings; each session has one of its own.", examples=["sess_5c7d"])
    object: Literal["realtime.transcription_session"] = Field(
        description="What this is.", examples=["realtime.transcription_session"]
    )
    type: Literal["transcription"] = Field(description="Sessions only transcribe.", examples=["transcription"])
    audio: SessionAudio = Field(description="The audio.")
    include: list[str] | None = Field(description="What else the events have.", examples=[None])
    expires_at: None = Field(description="A session ends some time after it begins, and none has begun.")


class ClientSecretAnswer(BaseModel):
    """A new secret."""

    value: str = Field(description="The secret. It cannot be had again.", examples=["ek_Zb2…"])
    expires_at: int = Field(description="Seconds since 1970.", examples=[1_756_310_470])
    session: Session = Field(description="What sessions begin with.")


class BetaSecret(BaseModel):
    """The secret itself."""

    value: str = Field(description="The secret. It cannot be had again.", examples=["ek_Zb2…"])
    expires_at: int = Field(description="Seconds since 1970.", examples=[1_756_310_470])


class BetaAnswer(BaseModel):
    """A new secret, as the beta answered."""

    id: str = Field(description="Of these settings; each session has one of its own.", examples=["sess_5c7d"])
    object: Literal["realtime.transcription_session"] = Field(
        description="What this is.", examples=["realtime.transcription_session"]
    )
    input_audio_format: str = Field(description="How the audio is written.", examples=["pcm16"])
    input_audio_noise_reduction: None = Field(description="There is none.", examples=[None])
    input_audio_transcription: Transcription = Field(description="What is to be recognised.")
    turn_detection: TurnDetection | None = Field(description="When the server commits.")
    include: list[str] | None = Field(description="What else the events have.", examples=[None])
    expires_at: None = Field(description="A session ends some time after it begins, and none has begun.")
    client_secret: BetaSecret = Field(description="The secret.")


def _body(model: type[BaseModel]) -> dict[str, Any]:
    """``openapi_extra=`` of a route that reads its body itself, once the caller was admitted."""
    schema = model.model_json_schema()
    content = {"application/json": {"schema": _inlined(schema, schema.pop("$defs"))}}
    return {"requestBody": {"required": False, "content": content}}


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    """A schema without references: pydantic's lead into its own document, and this one becomes part of another."""
    if isinstance(schema, list):
        return [_inlined(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    rest = {name: _inlined(part, definitions) for name, part in schema.items() if name != "$ref"}
    if "$ref" not in schema:
        return rest
    return _inlined(definitions[schema["$ref"].rpartition("/")[2]], definitions) | rest


@router.post(
    "/v1/realtime/client_secrets",
    response_model=ClientSecretAnswer,
    response_model_exclude_unset=True,
    responses=CLIENT_SECRET_ERRORS,
    openapi_extra=_body(ClientSecretOrder),
    summary="Make an ephemeral key",
)
async def create_client_secret(request: Request, services: Annotated[Services, Depends(services_of)]) -> dict[str, Any]:
    """A key for a browser or an app: it opens `/v1/realtime` only, on your account, for some minutes."""
    async with visiting(request, services, routes.NAME) as visit:
        order = ClientSecretOrder.model_validate(await read_json(request, services.settings.limits, _MAX_BYTES))
        settings = RealtimeSettings().updated(order.session)
        secret = await _made(services, visit, settings, order.expires_after)
    return {
        "value": secret.value,
        "expires_at": int(secret.expires_at_s),
        "session": settings.to_json(_session_id(), None),
    }


@router.post(
    "/v1/realtime/transcription_sessions",
    response_model=BetaAnswer,
    response_model_exclude_unset=True,
    responses=CLIENT_SECRET_ERRORS,
    openapi_extra=_body(BetaOrder),
    summary="Make an ephemeral key, as in the beta",
)
async def create_transcription_session(
    request: Request, services: Annotated[Services, Depends(services_of)]
) -> dict[str, Any]:
    """The same in the form that the beta of the API had."""
    async with visiting(request, services, routes.NAME) as visit:
        order = BetaOrder.model_validate(await read_json(request, services.settings.limits, _MAX_BYTES))
        with spelled(lambda name: beta_name(name).removeprefix("session.")):
            settings = RealtimeSettings().updated(order.to_update())
            secret = await _made(services, visit, settings, order.client_secret.expires_at)
    return {
        **settings.to_beta_json(_session_id(), None),
        "client_secret": {"value": secret.value, "expires_at": int(secret.expires_at_s)},
    }


async def _made(services: Services, visit: Visit, settings: RealtimeSettings, expires: ExpiresAfter) -> ClientSecret:
    # What cannot be honoured is refused now, not when the first audio comes.
    settings.to_options("", visit.plan, services.settings)
    return await services.access.make_secret(visit.caller, settings.stored(), expires.seconds)


def _session_id() -> str:
    return f"sess_{uuid.uuid4().hex}"
