"""The smallest Serve application, for tests of what starts and stops applications, and one that does not start."""

# No `from __future__ import annotations`: Serve reads the annotations of the builders.

from typing import Any

from ray import serve
from ray.serve import Application
from starlette.requests import Request


class Greeting:
    """Answers every request; does not start when it is given a reason."""

    def __init__(self, failure: str) -> None:
        if failure:
            raise RuntimeError(failure)

    async def __call__(self, request: Request) -> str:
        return "hello"


def build_app(args: dict[str, Any]) -> Application:
    return serve.deployment(Greeting).bind("")


def build_failing_app(args: dict[str, Any]) -> Application:
    return serve.deployment(Greeting).bind("no weights here")
