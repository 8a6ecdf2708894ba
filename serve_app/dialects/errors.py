"""Turns what a route raises into its dialect's JSON. Each dialect brings one function that writes the body."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import ValidationError
from starlette.requests import ClientDisconnect

from deployments import service_log as log
from deployments.errors import (
    AudioTooLarge,
    BodyTooSlow,
    Cancelled,
    ConcurrencyLimitReached,
    InsufficientCredits,
    InvalidParameter,
    MissingParameter,
    QuotaExceeded,
    RateLimitReached,
    ServiceUnavailable,
    TooManyRequests,
    Unauthenticated,
    UnsupportedAudio,
)
from deployments.signals import failure_label
from serve_app.access.visit import RateState
from serve_app.dialects.refusals import Refusal
from serve_app.request_log import this_request

_MOST_MISTAKES = 1000

ErrorForm = Callable[[Exception], tuple[int, dict[str, Any]]]
"""Status and body of any exception; what it does not know is a 500 that tells nothing."""


def route_class(form: ErrorForm) -> type[APIRoute]:
    """The class of a dialect's routes: ``APIRouter(route_class=route_class(error_body))``."""

    class DialectRoute(APIRoute):
        """Answers errors in the form of its dialect, and tells the caller what is left of his rate."""

        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handler = super().get_route_handler()

            async def answered(request: Request) -> Response:
                try:
                    response = await handler(request)
                except (ClientDisconnect, Cancelled):
                    # Nobody reads this answer; the number is the log's.
                    this_request().failure = "cancelled"
                    response = Response(status_code=499)
                except Exception as error:
                    answer = error_response(named(error), form)
                    # What is too large is not heard out.
                    response = answer if isinstance(error, AudioTooLarge) else Refusal(answer, request)
                visit = getattr(request.state, "visit", None)
                if visit is not None and visit.rate is not None:
                    response.headers.update(_rate_headers(visit.rate))
                return response

            return answered

    return DialectRoute


def error_response(error: Exception, form: ErrorForm) -> JSONResponse:
    """An answer in the form of a dialect, with the headers that every dialect has."""
    status, body = form(error)
    if status >= 500 and not isinstance(error, ServiceUnavailable):
        log.error("request failed", error)
    this_request().failure = failure_label(error)
    return JSONResponse(body, status_code=status, headers=_headers(error, status))


def _headers(error: Exception, status: int) -> dict[str, str]:
    # Most errors come before the body was read to its end, and then the connection cannot be used again. A mistake of
    # ours (500) is made later, in the work on a recording that is here.
    headers = {} if status == 500 else {"connection": "close"}
    if isinstance(error, ServiceUnavailable | TooManyRequests | QuotaExceeded):
        headers["retry-after"] = str(retry_after_s(error))
    if isinstance(error, RateLimitReached):
        headers |= _rate_headers(RateState(error.limit, 0, error.retry_after_s))
    if isinstance(error, Unauthenticated):
        headers["www-authenticate"] = "Bearer"
    return headers


def retry_after_s(error: ServiceUnavailable | TooManyRequests | QuotaExceeded) -> int:
    """Whole seconds, at least one: what the Retry-After header can say."""
    return max(1, math.ceil(error.retry_after_s))


def _rate_headers(rate: RateState) -> dict[str, str]:
    return {
        "x-ratelimit-limit": str(rate.limit),
        "x-ratelimit-remaining": str(rate.remaining),
        "x-ratelimit-reset": str(math.ceil(time.time() + rate.reset_s)),
    }


def invalid(error: ValidationError | RequestValidationError) -> InvalidParameter | MissingParameter:
    """The first thing that pydantic found wrong, without the value: it may be a secret, or large.

    Pydantic tells all or nothing, at 20 us each: of a message with a million mistakes only their number is told.
    """
    if isinstance(error, ValidationError) and error.error_count() > _MOST_MISTAKES:
        return InvalidParameter("body", f"has {error.error_count()} mistakes")
    first = error.errors()[0]
    # FastAPI puts the place before the name: ("query", "model").
    places = first["loc"][1:] if isinstance(error, RequestValidationError) and len(first["loc"]) > 1 else first["loc"]
    name = ".".join(str(part) for part in places) or "body"
    if first["type"] == "missing":
        return MissingParameter(name)
    if first["type"] == "extra_forbidden":
        return InvalidParameter(name, "is not a parameter of this call")
    return InvalidParameter(name, first["msg"])


def named(error: Exception) -> Exception:
    """An error as one of ours, where pydantic raised it."""
    return invalid(error) if isinstance(error, ValidationError | RequestValidationError) else error


EVERY_CALL: dict[str, Exception] = {
    "No key": Unauthenticated(True),
    "Not a good key": Unauthenticated(False),
    "Not our fault, nor yours": RuntimeError(),
    "Try again later": ServiceUnavailable("The database does not answer", 5),
}
"""For ``documented``, here and below: what any call may be answered with."""

EVERY_PLAN: dict[str, Exception] = {
    "Too many requests at once": ConcurrencyLimitReached(10, 1),
    "Too many requests per minute": RateLimitReached(60, 12),
    "Today's audio is used up": QuotaExceeded(100, 3600),
    "The wallet is empty": InsufficientCredits(),
}
"""And a call that counts against a plan."""

EVERY_RECORDING: dict[str, Exception] = {
    "No audio that can be decoded": UnsupportedAudio("no audio was found"),
    "The body stops coming": BodyTooSlow(),
    **EVERY_PLAN,
    **EVERY_CALL,
    "Try again later": ServiceUnavailable("No ASR workers available", 30),
}
"""And one that brings a recording; how large and how long it may be is the dialect's."""


def documented(form: ErrorForm, examples: dict[str, Exception]) -> dict[int | str, dict[str, Any]]:
    """``responses=`` of a route: by status, what the examples look like in a dialect's form."""
    answers: dict[int | str, dict[str, Any]] = {}
    for text, error in examples.items():
        status, body = form(error)
        answer = answers.setdefault(
            status,
            {"description": text, "content": {"application/json": {"schema": {"type": "object"}, "examples": {}}}},
        )
        answer["content"]["application/json"]["examples"][text] = {"value": body}
    return answers
