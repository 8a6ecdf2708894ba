"""The JobRunner deployment: work that outlives the request that brought it."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Mapping

from deployments.process_start import prepare_process
from serve_app.cluster import alive_nodes
from serve_app.jobs.contracts import CallbackForm
from serve_app.jobs.service import JobService
from serve_app.jobs.single_node import check_single_node
from serve_app.measured import MeasuredTranscriber
from serve_app.pipeline import Pipeline, StageHandles
from serve_app.ray_signals import RaySignals
from serve_app.settings import Settings
from serve_app.storage.database import Database
from serve_app.storage.location import database_url


class JobRunner:
    """Each replica is one runner. It serves no requests: work comes from the database."""

    def __init__(self, settings: Settings, stages: StageHandles, forms: Mapping[str, CallbackForm]) -> None:
        """Called by Serve in the replica's event loop.

        Raises:
            EngineUnavailable: the storage that the settings name cannot serve this cluster.
        """
        signals = RaySignals()
        prepare_process()
        database = Database(database_url(settings.storage), signals=signals)
        check_single_node(database, settings.storage, alive_nodes())
        pipeline = MeasuredTranscriber(Pipeline(stages, settings, signals), signals, "job")
        self._service = JobService(settings, database, pipeline, forms, signals)
        # A context of its own: what Serve and Ray know of the constructor's call is not to be known of the jobs.
        self._running = asyncio.get_running_loop().create_task(self._service.run(), context=contextvars.Context())

    async def check_health(self) -> None:
        """Called by Serve; a runner whose loops ended is replaced.

        Raises:
            RuntimeError: they did.
        """
        if self._running.done():
            error = None if self._running.cancelled() else self._running.exception()
            raise RuntimeError("the loops of this runner ended") from error

    async def __del__(self) -> None:
        """Called by Serve when the replica is stopped; jobs that are running go back to the queue at once."""
        self._running.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await self._running
        await self._service.stop()
