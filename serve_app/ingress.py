"""The FastAPI app and the Serve deployment that carries it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI
from ray import serve
from starlette.middleware.cors import CORSMiddleware

from deployments.process_start import prepare_process
from serve_app import __version__
from serve_app.api_document import Api
from serve_app.api_pages import show_the_api
from serve_app.cluster import alive_nodes, http_host, is_draining
from serve_app.dialects.not_offered import accept_slashes_at_the_end, tell_what_is_not_offered
from serve_app.dialects.registry import DIALECTS
from serve_app.health import ServeHealth
from serve_app.local_only import LocalOnly
from serve_app.opening import Surroundings, opened_services
from serve_app.pipeline import StageHandles
from serve_app.ray_signals import RaySignals
from serve_app.request_log import RequestLog
from serve_app.request_span import RequestSpan
from serve_app.services import Services
from serve_app.settings import Settings


def make_app(services: Services, resources: contextlib.AsyncExitStack | None = None) -> FastAPI:
    """The app with every dialect's routes; needs no Ray. It closes the resources when it shuts down."""

    @contextlib.asynccontextmanager
    async def closing(_: FastAPI) -> AsyncIterator[None]:
        async with resources or contextlib.nullcontext():
            yield

    app = Api(
        title="Rayscribe",
        version=__version__,
        summary="Self-hosted speech-to-text behind the wire APIs people already have clients for",
        lifespan=closing,
        docs_url=None,
        redoc_url=None,
        # FastAPI's own would tell paths, queries, in which some clients send their keys, and messages of errors.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.services = services
    if services.is_open:
        app.add_middleware(LocalOnly)
    elif origins := services.settings.access.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=[
                "Retry-After",
                "X-Request-ID",
                "X-RateLimit-Limit",
                "X-RateLimit-Remaining",
                "X-RateLimit-Reset",
            ],
        )
    # What is refused there has a line, too.
    app.add_middleware(RequestLog)
    # Outside of all others, so that their lines in the log name the trace.
    app.add_middleware(RequestSpan)
    for dialect in DIALECTS:
        app.include_router(dialect.router)
    show_the_api(app)
    accept_slashes_at_the_end(app)
    tell_what_is_not_offered(app, DIALECTS)
    return app


@serve.ingress()
class Ingress:
    """Holds the stage handles; the app is made in the replica, so that nothing of it is pickled."""

    async def __init__(  # type: ignore[misc]  # Serve awaits it
        self, settings: Settings, stages: StageHandles, limiter: Any, job_runner: Any
    ) -> None:
        prepare_process()
        # Nobody calls the runners; they are an argument because Serve starts what the ingress is bound to.
        self._job_runner = job_runner
        health = ServeHealth(serve.get_replica_context().app_name, settings.access.limiter_application)
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(health.close)
            surroundings = Surroundings(http_host(), alive_nodes(), is_draining)
            opening = opened_services(settings, stages, health, limiter, surroundings, RaySignals())
            self._services = await stack.enter_async_context(opening)
            # From here on the app closes them; if opening them failed, they are closed already.
            self._resources = stack.pop_all()

    def __serve_build_asgi_app__(self) -> FastAPI:
        """Called by Serve after the constructor."""
        return make_app(self._services, self._resources)

    def record_autoscaling_stats(self) -> dict[str, float]:
        """What scaling goes by: places and bytes that are taken, of how many."""
        requests, sockets, held = self._services.admission, self._services.sockets, self._services.upload_bytes
        return {
            "requests": requests.taken,
            "max_requests": requests.places,
            "sessions": sockets.taken,
            "max_sessions": sockets.places,
            "bytes": held.held_bytes,
            "max_bytes": held.max_bytes,
        }
