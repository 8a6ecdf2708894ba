"""Our errors in OpenAI's form: ``{"error": {"message", "type", "param", "code"}}``."""

from __future__ import annotations

from typing import Any

from deployments.errors import (
    AccessDenied,
    AudioRejected,
    AudioTooLarge,
    AudioTooLong,
    BodyTooSlow,
    FeatureNotInPlan,
    InvalidParameter,
    InvalidRequest,
    MissingParameter,
    NotFound,
    ServiceUnavailable,
    TooManyRequests,
    Unauthenticated,
    UnsupportedParameter,
)
from serve_app.dialects.errors import EVERY_CALL, EVERY_PLAN, EVERY_RECORDING, documented

# OpenAI's type of most errors that the caller can mend, and of those that he cannot.
_CALLER = "invalid_request_error"
_SERVER = "server_error"


def error_body(error: Exception) -> tuple[int, dict[str, Any]]:
    """Status and body of an error."""
    match error:
        case BodyTooSlow():
            return 408, _body(str(error), _CALLER, code="request_timeout")
        case InvalidRequest():
            return _invalid_request(error)
        case AccessDenied():
            return _access_denied(error)
        case AudioTooLarge():
            # The vendor's words, and its type; it also says how many bytes it has read.
            message = f"Maximum content size limit ({error.max_bytes}) exceeded"
            return 413, _body(message, _SERVER)
        case AudioRejected():
            return 400, _body(str(error), _CALLER, "file", "invalid_value")
        case TooManyRequests():
            return 429, _body(str(error), "requests", code="rate_limit_exceeded")
        case ServiceUnavailable():
            return 503, _body(str(error), _SERVER, code="service_unavailable")
        case _:
            return 500, _body("The server had an error while processing your request", _SERVER)


def _invalid_request(error: InvalidRequest) -> tuple[int, dict[str, Any]]:
    match error:
        case NotFound():
            return 404, _body(str(error), _CALLER, error.kind, f"{error.kind}_not_found")
        case MissingParameter():
            return 400, _body(str(error), _CALLER, error.parameter, "missing_required_parameter")
        case UnsupportedParameter():
            code = "unsupported_value" if error.supported else "unsupported_parameter"
            return 400, _body(str(error), _CALLER, error.parameter, code)
        case InvalidParameter():
            return 400, _body(str(error), _CALLER, error.parameter, "invalid_value")
        case _:
            return 400, _body(str(error), _CALLER)


def _access_denied(error: AccessDenied) -> tuple[int, dict[str, Any]]:
    match error:
        case Unauthenticated():
            return 401, _body(str(error), _CALLER, code=None if error.missing else "invalid_api_key")
        case FeatureNotInPlan():
            return 403, _body(str(error), _CALLER, error.parameter, "feature_not_in_plan")
        case _:
            # OpenAI answers an empty account like a used-up quota.
            return 429, _body(str(error), "insufficient_quota", code="insufficient_quota")


def _body(message: str, kind: str, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


TRANSCRIPTION_ERRORS = documented(
    error_body,
    {
        "A parameter is missing": MissingParameter("model"),
        "A parameter is wrong": InvalidParameter("stream", "srt cannot be streamed"),
        "The engines of this profile cannot do it": UnsupportedParameter("prompt", "the recogniser takes none"),
        "A language that they do not speak": UnsupportedParameter("language", "'xx' is not spoken", ("en",)),
        "Too long": AudioTooLong(7200),
        "The plan does not include it": FeatureNotInPlan("diarization", "response_format"),
        "Too large": AudioTooLarge(25 * 1024 * 1024),
        **EVERY_RECORDING,
    },
)

CLIENT_SECRET_ERRORS = documented(
    error_body,
    {
        "A parameter is missing": MissingParameter("session.type"),
        "A parameter is wrong": InvalidParameter("expires_after.seconds", "must be at least 10"),
        "It cannot be done here": UnsupportedParameter("session.audio.input.noise_reduction", "it must be null"),
        "The plan does not include it": FeatureNotInPlan("refinement", "session.audio.input.transcription.prompt"),
        **EVERY_PLAN,
        **EVERY_CALL,
    },
)

MODELS_ERRORS = documented(error_body, EVERY_CALL)

MODEL_ERRORS = documented(error_body, {"There is no such model": NotFound("model", "gpt-4o-transcribe"), **EVERY_CALL})
