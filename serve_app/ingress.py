"""The FastAPI app and the Serve deployment that carries it."""

from __future__ import annotations

from fastapi import FastAPI
from ray import serve

from serve_app import __version__
from serve_app.admission import Admission
from serve_app.dialects.registry import DIALECTS
from serve_app.health import ServeHealth
from serve_app.pipeline import StageHandles
from serve_app.services import Services
from serve_app.settings import Settings


def make_app(services: Services) -> FastAPI:
    """The app with every dialect's routes; needs no Ray."""
    app = FastAPI(
        title="Rayscribe",
        version=__version__,
        summary="Self-hosted speech-to-text behind the wire APIs people already have clients for",
    )
    app.state.services = services
    for dialect in DIALECTS:
        app.include_router(dialect.router)
    return app


@serve.ingress()
class Ingress:
    """Holds the stage handles; the app is made in the replica, so that nothing of it is pickled."""

    def __init__(self, settings: Settings, stages: StageHandles) -> None:
        application = serve.get_replica_context().app_name
        self._services = Services(
            settings=settings,
            health=ServeHealth(application),
            admission=Admission(settings.limits.max_requests),
        )

    def __serve_build_asgi_app__(self) -> FastAPI:
        """Called by Serve after the constructor."""
        return make_app(self._services)
