"""Options that several commands have, and what stands behind them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from serve_app.settings import Settings

DEFAULT_SERVER = "http://127.0.0.1:7100"


def _base_url(server: str) -> str:
    import httpx

    try:
        url = httpx.URL(server)
    except httpx.InvalidURL as error:
        raise typer.BadParameter(str(error)) from None
    if url.scheme not in ("http", "https") or not url.host or (url.port or 0) > 65_535:
        raise typer.BadParameter(f"give a URL, such as {DEFAULT_SERVER}")
    return server


ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", help="Serve config file of the service.", show_default="configs/embedded.yaml", dir_okay=False
    ),
]
ApiKeyOption = Annotated[
    str | None,
    typer.Option("--api-key", help="Where it asks for keys; better in the environment.", envvar="RAYSCRIBE_API_KEY"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON.")]
ServerOption = Annotated[str, typer.Option(help="Where Rayscribe runs.", envvar="RAYSCRIBE_SERVER", callback=_base_url)]


def settings_of(config: Path | None) -> Settings:
    """What a config file sets. What is wrong with it is said on stderr, and the command ends with exit code 1."""
    from serve_app.serve_config import DEFAULT_CONFIG, ConfigError, load_settings

    try:
        return load_settings(config or DEFAULT_CONFIG)
    except ConfigError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
