"""Our errors in the form of Smallest self-host: ``{"error", "code", …}``."""

from __future__ import annotations

import logging
import math
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse

from deployments.errors import (
    AudioTooLarge,
    AudioTooLong,
    InvalidParameter,
    MissingParameter,
    ServiceUnavailable,
    UnsupportedAudio,
    UnsupportedParameter,
)

_log = logging.getLogger("ray.serve")

# The vendor's list; ours is longer, and found by content.
SUPPORTED_FORMATS = ["wav", "mp3", "flac", "ogg", "m4a", "aac", "webm", "mp4", "aiff"]


def _body(error: Exception) -> tuple[int, dict[str, Any]]:
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
        case UnsupportedAudio():
            return 415, {
                "error": f"Unsupported audio format: {error.reason}",
                "code": "UNSUPPORTED_FORMAT",
                "supported_formats": SUPPORTED_FORMATS,
            }
        case AudioTooLarge():
            return 422, {
                "error": "Audio file too large",
                "code": "FILE_TOO_LARGE",
                "max_size_mb": error.max_bytes // (1024 * 1024),
            }
        case AudioTooLong():
            return 422, {
                "error": str(error),
                "code": "AUDIO_TOO_LONG",
                "max_duration_seconds": error.max_duration_s,
            }
        case ServiceUnavailable():
            return 503, {
                "error": str(error),
                "code": "SERVICE_UNAVAILABLE",
                "retry_after": math.ceil(error.retry_after_s),
            }
        case _:
            return 500, {"error": "Internal error", "code": "INTERNAL_ERROR"}


async def error_response(_: Request, error: Exception) -> JSONResponse:
    """Exception handler for the whole app."""
    status, body = _body(error)
    if status == 500:
        _log.error("request failed", exc_info=error)
    # Where the body was not read to its end, the connection cannot be used again.
    headers = {} if status == 500 else {"connection": "close"}
    if "retry_after" in body:
        headers["retry-after"] = str(body["retry_after"])
    return JSONResponse(body, status_code=status, headers=headers)


_EXAMPLES: dict[int, tuple[str, Exception]] = {
    400: ("A parameter is missing, wrong, or cannot be honoured", MissingParameter("audio")),
    415: ("No audio that can be decoded", UnsupportedAudio("no audio was found")),
    422: ("Too large or too long", AudioTooLarge(100 * 1024 * 1024)),
    503: ("Try again later", ServiceUnavailable("No ASR workers available", 30)),
}

ERROR_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"description": text, "content": {"application/json": {"example": _body(error)[1]}}}
    for status, (text, error) in _EXAMPLES.items()
}
