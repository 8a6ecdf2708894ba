"""The ``rayscribe`` command."""

from __future__ import annotations

from typing import Annotated

import typer

from serve_app.commands.doctor import doctor
from serve_app.commands.keys import keys, webhook_secret
from serve_app.commands.live import live
from serve_app.commands.models import models
from serve_app.commands.plan import plan
from serve_app.commands.serve import serve
from serve_app.commands.transcribe import transcribe
from serve_app.commands.usage import usage, wallet

app = typer.Typer(
    name="rayscribe",
    help="Self-hosted speech-to-text.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(serve)
app.command()(transcribe)
app.command()(live)
app.command()(doctor)
app.command()(plan)
app.add_typer(models, name="models")
app.add_typer(keys, name="keys")
app.command()(usage)
app.add_typer(wallet, name="wallet")
app.command()(webhook_secret)


def _print_version(*, wanted: bool) -> None:
    if wanted:
        from serve_app import __version__

        typer.echo(f"rayscribe {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Self-hosted speech-to-text."""
