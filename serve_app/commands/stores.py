"""What the commands about keys and money work on: the database that the service of a config file uses."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import typer

from deployments.errors import RayscribeError
from serve_app.access.keys import KeyStore
from serve_app.access.ledger import Ledger
from serve_app.access.users import UserStore
from serve_app.commands.options import settings_of
from serve_app.serve_config import ConfigError
from serve_app.settings import Settings
from serve_app.storage.database import Database
from serve_app.storage.location import database_url

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Stores:
    """Users, their keys and their money."""

    users: UserStore
    keys: KeyStore
    ledger: Ledger


def run_with_stores(config: Path | None, action: Callable[[Stores], Awaitable[_Result]]) -> _Result:
    """Run the action on the database of a config file, with its tables up to date.

    What goes wrong is said on stderr, and the command ends with exit code 1.
    """
    settings = settings_of(config)
    try:
        return asyncio.run(_run(settings, action))
    except (ConfigError, RayscribeError) as error:
        typer.echo(str(error), err=True)
    except OSError as error:
        typer.echo(f"Cannot use the storage folder: {error.strerror}: {error.filename}", err=True)
    raise typer.Exit(1)


async def _run(settings: Settings, action: Callable[[Stores], Awaitable[_Result]]) -> _Result:
    access = settings.access
    database = _database(settings)
    try:
        await database.migrate()
        return await action(
            Stores(
                UserStore(database, access),
                KeyStore(database, cache_s=access.key_cache_s),
                Ledger(database, billing=access.billing),
            )
        )
    finally:
        await database.close()


def _database(settings: Settings) -> Database:
    try:
        return Database(database_url(settings.storage))
    except ValueError as error:
        raise ConfigError(str(error)) from error
