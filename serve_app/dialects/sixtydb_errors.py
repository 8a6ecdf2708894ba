"""Our errors in the form of 60db: ``{"success": false, "error", "message", "error_code", "details"}``.

The vendor publishes the codes of 401, 402, 429, 499 and 503; those of the other statuses are ours. Its ``ZERO_BALANCE``
is not used: a wallet that cannot pay is ``INSUFFICIENT_CREDITS``, however empty it is. A 499 is for the log alone, and
has no body here: nobody reads it.
"""

from __future__ import annotations

from typing import Any

from deployments.errors import (
    AccessDenied,
    AudioRejected,
    AudioTooLarge,
    AudioTooLong,
    BodyTooSlow,
    ConcurrencyLimitReached,
    FeatureNotInPlan,
    InvalidParameter,
    InvalidRequest,
    MissingParameter,
    NotFound,
    QuotaExceeded,
    ServiceUnavailable,
    TooManyRequests,
    Unauthenticated,
    UnsupportedParameter,
)
from serve_app.dialects.errors import EVERY_CALL, EVERY_RECORDING, documented, retry_after_s

_MIB = 1024 * 1024
_LANGUAGES = frozenset({"language", "languages"})


def error_body(error: Exception) -> tuple[int, dict[str, Any]]:
    """Status and body of an error."""
    match error:
        case NotFound():
            return 404, _body(error, "NOT_FOUND")
        case BodyTooSlow():
            return 408, _body(error, "REQUEST_TIMEOUT")
        case InvalidRequest():
            return 400, _invalid(error)
        case AccessDenied():
            return _access_denied(error)
        case AudioRejected():
            return _audio_rejected(error)
        case ConcurrencyLimitReached():
            return 429, _body("Too many concurrent STT sessions", "STT_CONCURRENCY_LIMIT", limit=error.limit)
        case TooManyRequests():
            details = {"limit": error.limit, "retry_after_sec": retry_after_s(error)}
            return 429, _body(error, "STT_UPSTREAM_RATE_LIMIT", **details)
        case ServiceUnavailable():
            return 503, _body(error, "STT_UPSTREAM_UNAVAILABLE", retry_after_sec=retry_after_s(error))
        case _:
            return 500, _body("Internal error", "INTERNAL_ERROR")


def _invalid(error: InvalidRequest) -> dict[str, Any]:
    match error:
        case MissingParameter():
            return _body(error, "MISSING_PARAMETER", parameter=error.parameter)
        case UnsupportedParameter():
            # The vendor's own code for a language, small letters and all.
            code = "unsupported_language" if error.parameter in _LANGUAGES else "UNSUPPORTED_PARAMETER"
            supported = {"supported": list(error.supported)} if error.supported else {}
            return _body(error, code, parameter=error.parameter, **supported)
        case InvalidParameter():
            return _body(error, "INVALID_PARAMETER", parameter=error.parameter)
        case _:
            return _body(error, "INVALID_REQUEST")


def _access_denied(error: AccessDenied) -> tuple[int, dict[str, Any]]:
    match error:
        case Unauthenticated():
            return 401, _body(error, "UNAUTHENTICATED")
        case FeatureNotInPlan():
            return 403, _body(error, "FEATURE_NOT_IN_PLAN", parameter=error.parameter)
        case QuotaExceeded():
            return 403, _body(error, "QUOTA_EXCEEDED", retry_after_sec=retry_after_s(error))
        case _:
            return 402, _body(error, "INSUFFICIENT_CREDITS")


def _audio_rejected(error: AudioRejected) -> tuple[int, dict[str, Any]]:
    match error:
        case AudioTooLarge():
            return 413, _body(error, "FILE_TOO_LARGE", max_bytes=error.max_bytes)
        case AudioTooLong():
            return 413, _body(error, "AUDIO_TOO_LONG", max_duration_sec=error.max_duration_s)
        case _:
            return 415, _body(error, "UNSUPPORTED_AUDIO")


def _body(message: object, code: str, **details: object) -> dict[str, Any]:
    text = str(message)
    return {"success": False, "error": text, "message": text, "error_code": code, "details": details}


ERROR_RESPONSES = documented(
    error_body,
    {
        "No file": MissingParameter("file"),
        "A field is wrong": InvalidParameter("keywords", "the weight behind a term must be a number"),
        "A language that is not spoken": UnsupportedParameter("language", "'xx' is not spoken", ("en",)),
        "The plan does not include it": FeatureNotInPlan("diarization", "diarize"),
        "Too large": AudioTooLarge(10 * _MIB),
        "Too long": AudioTooLong(3600),
        **EVERY_RECORDING,
    },
)

CATALOGUE_ERROR_RESPONSES = documented(error_body, EVERY_CALL)
"""Of the calls that only tell about the service."""
