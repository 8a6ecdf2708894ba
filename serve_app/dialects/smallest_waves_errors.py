"""Our errors in the form of Smallest Waves.

The vendor has had several forms for the same status: ``{"error"}``, ``{"status", "message"}``, with ``errors`` or with
``error_code``. Every answer here carries all of these names, so that a client of any age finds the one that it reads.
"""

from __future__ import annotations

from typing import Any

from deployments.errors import (
    AccessDenied,
    AudioRejected,
    AudioTooLarge,
    AudioTooLong,
    BodyTooSlow,
    ClientTooFast,
    FeatureNotInPlan,
    InvalidParameter,
    InvalidRequest,
    MissingParameter,
    NotFound,
    QuotaExceeded,
    ServiceUnavailable,
    SessionIdle,
    SessionLimit,
    SessionNotBegun,
    SessionTooLong,
    SourceRejected,
    SourceUnreachable,
    TooManyRequests,
    Unauthenticated,
    UnsupportedParameter,
)
from serve_app.dialects.errors import EVERY_RECORDING, documented
from serve_app.dialects.smallest_selfhost_errors import SOURCE_CODES
from serve_app.request_log import this_request

_MIB = 1024 * 1024

_MISSING = {
    "model": "Missing required query param: model. Supported values: pulse | pulse-pro.",
    "url": "Invalid JSON data: missing or invalid 'url' field",
    "body": "No audio: send a recording as the body, or JSON with its url",
}

_SESSION_CODES: dict[type[SessionLimit], str] = {
    ClientTooFast: "AUDIO_TOO_FAST",
    SessionIdle: "SESSION_IDLE",
    SessionNotBegun: "SESSION_IDLE",
    SessionTooLong: "SESSION_TOO_LONG",
}


def error_body(error: Exception) -> tuple[int, dict[str, Any]]:
    """Status and body of an error."""
    status, body = _form(error)
    return status, {**body, "request_id": this_request().request_id}


def _form(error: Exception) -> tuple[int, dict[str, Any]]:
    match error:
        case NotFound():
            return 404, _body(str(error), "NOT_FOUND")
        case BodyTooSlow():
            return 408, _body(str(error), "REQUEST_TIMEOUT")
        case InvalidRequest():
            return 400, _invalid(error)
        case SourceRejected():
            return 400, _listed(str(error), SOURCE_CODES[type(error)], "url")
        case AudioRejected():
            return _audio_rejected(error)
        case AccessDenied():
            return _access_denied(error)
        case TooManyRequests():
            message = f"Rate limit exceeded. Please retry after a short backoff. {error}"
            return 429, _body(message, "RATE_LIMIT_EXCEEDED")
        case SessionLimit():
            # A socket tells it; no answer has this status.
            return 400, _body(str(error), _SESSION_CODES[type(error)])
        case ServiceUnavailable():
            return 503, _body(str(error), "SERVICE_UNAVAILABLE")
        case _:
            return 500, _body("Internal server error", "INTERNAL_ERROR")


def _invalid(error: InvalidRequest) -> dict[str, Any]:
    match error:
        case MissingParameter():
            message = _MISSING.get(error.parameter, f"Missing required query param: {error.parameter}.")
            return _listed(message, "MISSING_PARAMETER", error.parameter)
        case UnsupportedParameter():
            body = _listed(str(error), "UNSUPPORTED_PARAMETER", error.parameter)
            return {**body, "supported": list(error.supported)} if error.supported else body
        case InvalidParameter():
            return _listed(str(error), "INVALID_PARAMETER", error.parameter)
        case _:
            return _body(str(error), "INVALID_REQUEST")


def _audio_rejected(error: AudioRejected) -> tuple[int, dict[str, Any]]:
    match error:
        case AudioTooLarge():
            limit = f"{error.max_bytes / _MIB:g}MB"
            return 413, _body(f"File size exceeds maximum limit of {limit}.", "FILE_TOO_LARGE")
        case AudioTooLong():
            return 413, _body(str(error), "AUDIO_TOO_LONG")
        case _:
            return 400, _listed(f"Error handling audio data: {error}", "AudioDecodeError", "body")


def _access_denied(error: AccessDenied) -> tuple[int, dict[str, Any]]:
    match error:
        case Unauthenticated():
            message = "Unauthorized: No tokens provided" if error.missing else "Unauthorized: Invalid API key"
            return 401, {"status": "error", "error": "unauthorized", "message": message, "error_code": "UNAUTHORIZED"}
        case FeatureNotInPlan():
            return 403, _body(str(error), "FEATURE_NOT_IN_PLAN")
        case QuotaExceeded():
            return 403, _body(str(error), "QUOTA_EXCEEDED")
        case _:
            # The vendor has no 402: an empty wallet and the end of a trial are one case.
            return 403, _body(str(error), "INSUFFICIENT_CREDITS")


def _body(message: str, code: str) -> dict[str, Any]:
    return {"status": "error", "error": message, "message": message, "error_code": code}


def _listed(message: str, code: str, parameter: str) -> dict[str, Any]:
    """A 400: ``errors`` names the parameter as the vendor's query validation does."""
    return {**_body(message, code), "errors": [{"code": code, "path": [parameter], "message": message}]}


def _example(error: Exception) -> tuple[int, dict[str, Any]]:
    status, body = _form(error)
    return status, {**body, "request_id": "87dd36c1-4267-472d-96ee-4113e0a770a6"}


ERROR_RESPONSES = documented(
    _example,
    {
        "No model": MissingParameter("model"),
        "No audio": MissingParameter("body"),
        "JSON without a url": MissingParameter("url"),
        "A parameter is wrong": InvalidParameter("diarize", "must be true or false"),
        "The engines of this profile cannot do it": UnsupportedParameter("language", "'xx' is not spoken", ("en",)),
        "The URL cannot be fetched": SourceUnreachable("example.com does not answer"),
        "The plan does not include it": FeatureNotInPlan("diarization", "diarize"),
        "Too large": AudioTooLarge(250 * _MIB),
        "Too long": AudioTooLong(7200),
        **EVERY_RECORDING,
    },
)
