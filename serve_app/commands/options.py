"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON.")]
ServerOption = Annotated[str, typer.Option(help="Where Rayscribe runs.", envvar="RAYSCRIBE_SERVER", callback=_base_url)]
