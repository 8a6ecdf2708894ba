"""``rayscribe models``. They work whether the service runs or not."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

import typer

from serve_app.commands.options import ConfigOption, JsonOption, settings_of
from serve_app.commands.table import print_table

if TYPE_CHECKING:
    from deployments.checkpoints.cache import CheckpointCache
    from deployments.checkpoints.source import CheckpointSource
    from deployments.checkpoints.store import LocalCheckpoint
    from serve_app.checkpoints import NamedCheckpoint


@dataclass(frozen=True, slots=True)
class _Row:
    """A checkpoint that a config names, and what is on this node of it."""

    stage: str
    engine: str
    location: str
    pinned: str | None
    revision: str | None
    status: Literal["complete", "missing"]
    size_bytes: int | None
    folder: str | None

    @classmethod
    def of(cls, named: NamedCheckpoint, local: LocalCheckpoint | None) -> _Row:
        return cls(
            stage=named.stage,
            engine=named.engine,
            location=named.source.location,
            pinned=named.source.revision,
            revision=local.revision if local else None,
            status="complete" if local else "missing",
            size_bytes=local.size_bytes if local else None,
            folder=str(local.folder) if local else None,
        )

    def cells(self) -> tuple[str, ...]:
        size = "" if self.size_bytes is None else _gb(self.size_bytes)
        revision = self.revision or self.pinned or ""
        return self.stage, self.engine, self.location, self.status, revision, size, self.folder or ""


models = typer.Typer(help="Fetch the models that a config names, and list them.", no_args_is_help=True)

_NONE_NAMED = "This config names no checkpoints: its models come with the installation."
_LOOK_INTERVAL_S = 0.2


@models.command()
def pull(config: ConfigOption = None) -> None:
    """Fetch every checkpoint that the config names, or its newest state where it is not pinned.

    Also where models.offline is set. A pull that broke off goes on where it ended. A service that starts fetches what
    it misses by itself; this does it before, on this node.
    """
    from deployments.errors import EngineUnavailable
    from serve_app.checkpoints import named_checkpoints

    settings = settings_of(config)
    sources = list(dict.fromkeys(named.source for named in named_checkpoints(settings)))
    if not sources:
        typer.echo(_NONE_NAMED, err=True)
    cache = settings.checkpoint_cache()
    failures = 0
    for source in sources:
        try:
            found = _pull_with_progress(source, cache)
        except EngineUnavailable as error:
            typer.echo(str(error), err=True)
            failures += 1
        except KeyboardInterrupt:
            typer.echo("Interrupted. The next pull goes on from here.", err=True)
            sys.stderr.flush()
            # Without waiting for the threads of the libraries, which would first finish what they are at.
            os._exit(130)
        else:
            typer.echo(f"{source.location}  {found.revision or ''}  {_gb(found.size_bytes)}  {found.folder}")
    if failures:
        raise typer.Exit(1)


@models.command(name="list")
def list_models(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List the checkpoints that the config names, and whether they are on this node."""
    import json

    from deployments.checkpoints.fetching import find
    from deployments.errors import EngineUnavailable
    from serve_app.checkpoints import named_checkpoints

    settings = settings_of(config)
    cache = settings.checkpoint_cache()
    try:
        found = [(named, find(named.source, cache)) for named in named_checkpoints(settings)]
    except EngineUnavailable as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    rows = [_Row.of(named, local) for named, local in found]
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], indent=2, ensure_ascii=False))
    elif rows:
        headings = ("stage", "engine", "location", "status", "revision", "size", "folder")
        print_table(headings, [row.cells() for row in rows])
    else:
        typer.echo(_NONE_NAMED, err=True)


def _pull_with_progress(source: CheckpointSource, cache: CheckpointCache) -> LocalCheckpoint:
    """How much has come is read off the disk: each library has another way to tell it, and some have none."""
    from concurrent.futures import ThreadPoolExecutor, wait

    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    from deployments.checkpoints.fetching import pull as fetch_newest
    from deployments.checkpoints.fetching import store_of
    from deployments.checkpoints.store import folder_bytes

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    stderr = Console(stderr=True)
    root = store_of(source, cache).root
    with Progress(*columns, TimeRemainingColumn(), console=stderr, disable=not stderr.is_terminal) as progress:
        task = progress.add_task(source.location, total=None)
        before_bytes = 0

        def planned(missing_bytes: int) -> None:
            nonlocal before_bytes
            before_bytes = folder_bytes(root)
            progress.update(task, total=missing_bytes)

        # Not as a context, which waits for its thread: Ctrl-C should not.
        executor = ThreadPoolExecutor(1, thread_name_prefix="pull")
        fetching = executor.submit(fetch_newest, source, cache, planned)
        executor.shutdown(wait=False)
        while wait([fetching], _LOOK_INTERVAL_S).not_done:
            progress.update(task, completed=max(0, folder_bytes(root) - before_bytes))
        return fetching.result()


def _gb(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.2f} GB"
