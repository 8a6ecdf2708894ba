"""``rayscribe doctor``."""

from __future__ import annotations

from typing import Annotated

import typer

from serve_app.commands.options import ConfigOption


def doctor(
    host: Annotated[str | None, typer.Option(help="Address to look at, instead of the config's.")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to look at, instead of the config's.", min=1, max=65535)
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Say what is installed, which engines can load, and what the machine has.

    The exit code is 1 when something that the service needs does not work.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from serve_app.doctor import Verdict, examine
    from serve_app.local_ray import prepare_environment

    prepare_environment()
    styles = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAILED: "bold red"}
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("area", "what", "", "detail"):
        # Not cut: the end of a long word is often what is wrong.
        table.add_column(heading, overflow="fold")
    failures = 0
    with Console(stderr=True).status("Looking …"):
        for finding in examine(host=host, port=port, config=config):
            failures += finding.verdict is Verdict.FAILED
            verdict = Text(finding.verdict.value, style=styles[finding.verdict])
            table.add_row(finding.area, finding.name, verdict, Text(finding.detail))
    Console().print(table)
    if failures:
        typer.echo(f"{failures} of these must be put right before the service can run.", err=True)
        raise typer.Exit(1)
