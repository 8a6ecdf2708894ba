"""Storage that only one machine sees serves only one machine."""

from __future__ import annotations

from deployments.errors import EngineUnavailable
from serve_app.settings import StorageSettings
from serve_app.storage.database import Database


def check_single_node(database: Database, storage: StorageSettings, alive_nodes: int) -> None:
    """Whether all machines of the cluster see the same jobs and the same audio.

    A folder that the settings name may be a shared one; the default one is not.

    Raises:
        EngineUnavailable: they do not; the message says which setting is missing.
    """
    if alive_nodes <= 1:
        return
    if database.is_sqlite:
        raise EngineUnavailable(
            f"SQLite serves one node, and this cluster has {alive_nodes}: set storage.database_url to a PostgreSQL"
        )
    if storage.audio_url is None and storage.folder is None:
        raise EngineUnavailable(
            f"The audio of jobs is in a folder of one node, and this cluster has {alive_nodes}: set storage.audio_url "
            "to s3://bucket/prefix, or storage.folder to one that all nodes share"
        )
