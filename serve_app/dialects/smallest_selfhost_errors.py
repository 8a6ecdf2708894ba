"""Our errors in the form of Smallest self-host: ``{"error", "code", …}``."""

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
    QuotaExceeded,
    ServiceUnavailable,
    SourceForbidden,
    SourceRefused,
    SourceRejected,
    SourceUnreachable,
    TooManyRequests,
    Unauthenticated,
    UnsupportedParameter,
)
from serve_app.dialects.errors import EVERY_RECORDING, documented, retry_after_s

# The vendor's list; ours is longer, and found by content.
SUPPORTED_FORMATS = ["wav", "mp3", "flac", "ogg", "m4a", "aac", "webm", "mp4", "aiff"]

SOURCE_CODES: dict[type[SourceRejected], str] = {
    SourceForbidden: "URL_NOT_ALLOWED",
    SourceRefused: "URL_FETCH_REFUSED",
    SourceUnreachable: "URL_FETCH_FAILED",
}
"""Of URLs that cannot be fetched, in either API of Smallest's; the vendor publishes none."""


def error_body(error: Exception) -> tuple[int, dict[str, Any]]:
    """Status and body of an error."""
    match error:
        case MissingParameter():
            # An upload is one way to give the audio, and the vendor's words name both.
            missing = "url or audio file" if error.parameter == "audio" else error.parameter
            return 400, {"error": f"Missing required parameter: {missing}", "code": "MISSING_PARAMETER"}
        case UnsupportedParameter():
            listed = {"supported": list(error.supported)} if error.supported else {}
            return 400, {"error": str(error), "code": "INVALID_PARAMETER", "parameter": error.parameter, **listed}
        case InvalidParameter():
            return 400, {"error": str(error), "code": "INVALID_PARAMETER", "parameter": error.parameter}
        case SourceRejected():
            return 400, {"error": str(error), "code": SOURCE_CODES[type(error)]}
        case AccessDenied():
            return _access_denied(error)
        case AudioRejected():
            return _audio_rejected(error)
        case NotFound():
            return 404, {"error": str(error), "code": "NOT_FOUND"}
        case BodyTooSlow():
            return 408, {"error": str(error), "code": "REQUEST_TIMEOUT"}
        case InvalidRequest():
            return 400, {"error": str(error), "code": "INVALID_REQUEST"}
        case TooManyRequests():
            return 429, {"error": str(error), "code": "RATE_LIMIT_EXCEEDED", "retry_after": retry_after_s(error)}
        case ServiceUnavailable():
            return 503, {"error": str(error), "code": "SERVICE_UNAVAILABLE", "retry_after": retry_after_s(error)}
        case _:
            return 500, {"error": "Internal error", "code": "INTERNAL_ERROR"}


def _access_denied(error: AccessDenied) -> tuple[int, dict[str, Any]]:
    match error:
        case Unauthenticated():
            return 401, {"error": "Invalid license key", "code": "INVALID_LICENSE"}
        case QuotaExceeded():
            return 403, {"error": str(error), "code": "QUOTA_EXCEEDED", "retry_after": retry_after_s(error)}
        case FeatureNotInPlan():
            return 403, {"error": str(error), "code": "FEATURE_NOT_IN_PLAN", "parameter": error.parameter}
        case _:
            return 402, {"error": str(error), "code": "INSUFFICIENT_CREDITS"}


def _audio_rejected(error: AudioRejected) -> tuple[int, dict[str, Any]]:
    match error:
        case AudioTooLarge():
            return 422, {
                "error": "Audio file too large",
                "code": "FILE_TOO_LARGE",
                "max_size_mb": error.max_bytes // (1024 * 1024),
            }
        case AudioTooLong():
            return 422, {"error": str(error), "code": "AUDIO_TOO_LONG", "max_duration_seconds": error.max_duration_s}
        case _:
            return 415, {"error": str(error), "code": "UNSUPPORTED_FORMAT", "supported_formats": SUPPORTED_FORMATS}


_MIB = 1024 * 1024

ERROR_RESPONSES = documented(
    error_body,
    {
        "A parameter is missing": MissingParameter("audio"),
        "A parameter is wrong": InvalidParameter("diarize", "not true or false"),
        "The engines of this profile cannot do it": UnsupportedParameter("language", "'xx' is not spoken", ("en",)),
        "The URL cannot be fetched": SourceUnreachable("example.com does not answer"),
        "The plan does not include it": FeatureNotInPlan("diarization", "diarize"),
        "Too large": AudioTooLarge(100 * _MIB),
        "Too long": AudioTooLong(7200),
        **EVERY_RECORDING,
    },
)
