"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", help="Serve config file of the service.", show_default="configs/embedded.yaml", dir_okay=False
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON.")]
