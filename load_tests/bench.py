"""All measurements under one command: ``python -m load_tests.bench [accuracy|speed|scale|live|all]``.

``all``, the default, is the first three: ``live`` takes as long as people speak.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from load_tests import accuracy as accuracy_program
from load_tests import live as live_program
from load_tests import scale as scale_program
from load_tests import speed as speed_program
from load_tests.options import (
    DEFAULT_RESULTS,
    DEFAULT_SERVER,
    AudioOption,
    DiarizationMinutesOption,
    LimitOption,
    ResultsOption,
    ServerOption,
    StartOption,
)
from load_tests.service import service_or_exit

_DEFAULT_COMMAND = "all"


def with_default_command(arguments: Sequence[str]) -> list[str]:
    """Options alone are meant for ``all``; the list of commands still comes with --help."""
    names_a_command = bool(arguments) and (not arguments[0].startswith("-") or "--help" in arguments)
    return list(arguments) if names_a_command else [_DEFAULT_COMMAND, *arguments]


app = typer.Typer(add_completion=False, help="Measure a running service beside the raw library.")
app.command("accuracy")(accuracy_program.accuracy)
app.command("speed")(speed_program.speed)
app.command("scale")(scale_program.scale)
app.command("live")(live_program.live)


@app.command(_DEFAULT_COMMAND)
def run_all(
    server: ServerOption = DEFAULT_SERVER,
    start: StartOption = False,
    audio: AudioOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    limit: LimitOption = None,
    diarization_minutes: DiarizationMinutesOption = None,
    fresh: accuracy_program.FreshOption = False,
) -> None:
    """Accuracy, then speed, then scale, against one service. Half an hour and more."""
    with service_or_exit(server, start=start):
        accuracy_program.accuracy(
            server=server,
            audio=audio,
            results=results,
            limit=limit,
            diarization_minutes=diarization_minutes,
            fresh=fresh,
        )
        speed_program.speed(
            server=server, audio=audio, results=results, limit=limit, diarization_minutes=diarization_minutes
        )
        scale_program.scale(server=server, audio=audio, results=results, limit=limit)


if __name__ == "__main__":
    app(with_default_command(sys.argv[1:]), prog_name="python -m load_tests.bench")
