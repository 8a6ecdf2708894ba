"""Where on this machine, or on which server, things are kept."""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_data_path
from sqlalchemy import URL

from serve_app.settings import StorageSettings


def storage_folder(settings: StorageSettings) -> Path:
    """The folder of the SQLite file and of the audio of jobs, by default the user's data folder.

    Made where it is missing, for this user alone: webhook secrets and recordings lie in it.
    """
    folder = Path(settings.folder).expanduser() if settings.folder else user_data_path("rayscribe", appauthor=False)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder.resolve()


def database_url(settings: StorageSettings) -> str:
    """The SQLAlchemy URL, by default of a SQLite file in the storage folder. It may contain a password."""
    if settings.database_url is not None:
        return settings.database_url
    return URL.create("sqlite+aiosqlite", database=str(storage_folder(settings) / "rayscribe.db")).render_as_string(
        hide_password=False
    )
