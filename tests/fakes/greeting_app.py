"""The smallest Serve application, for tests of what starts and stops applications."""

# No `from __future__ import annotations`: Serve reads the annotation of build_app.

from ray import serve
from ray.serve import Application
from starlette.requests import Request


class Greeting:
    """Answers every request; does not start when told so."""

    def __init__(self, failure: str) -> None:
        if failure:
            raise RuntimeError(failure)

    async def __call__(self, request: Request) -> str:
        return "hello"


def build_app(args: dict[str, str]) -> Application:
    return serve.deployment(Greeting).bind(args.get("failure", ""))
