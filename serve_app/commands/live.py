"""``rayscribe live``."""

from __future__ import annotations

from typing import Annotated

import typer

from serve_app.commands.options import DEFAULT_SERVER, ServerOption

_FAST_SPEED = 8.0
# What a pipe holds before this program reads it, and some more, is not to stay behind for the whole session.
_PIPE_LEAD_S = 4.0


def live(
    source: Annotated[
        str,
        typer.Argument(
            help="A recording, sent as fast as it was spoken; - for raw 16-bit mono PCM at 16 kHz from stdin; or mic.",
            metavar="[FILE|-|mic]",
        ),
    ] = "mic",
    language: Annotated[str | None, typer.Option(help="ISO 639-1 code.", show_default="multi: find out")] = None,
    keywords: Annotated[
        str | None, typer.Option(help="Names and terms to listen for, with a boost if wanted: 'Rayscribe:2,Ray Serve'.")
    ] = None,
    diarize: Annotated[bool, typer.Option("--diarize", help="Tell speakers apart.")] = False,
    json_lines: Annotated[
        bool, typer.Option("--json", help="Write every event as the server does, one a line.")
    ] = False,
    fast: Annotated[
        bool, typer.Option("--fast", help=f"Send up to {_FAST_SPEED:g} times as fast as it was spoken.")
    ] = False,
    server: ServerOption = DEFAULT_SERVER,
    api_key: Annotated[
        str | None, typer.Option(help="Where it asks for keys; better in the environment.", envvar="RAYSCRIBE_API_KEY")
    ] = None,
) -> None:
    """Transcribe speech while it is spoken.

    Each line is what was said between two pauses: its start and end in seconds, and the text. On a terminal the line
    that is being spoken is shown, too. Ctrl-C ends the audio and waits for the last words.
    """
    import asyncio
    import os
    import sys
    from pathlib import Path

    from rich.console import Console
    from rich.text import Text

    from serve_app.client import UNREACHABLE, ListenError
    from serve_app.commands.live_display import Display, FinalLines, JsonLines, TerminalLines
    from serve_app.commands.live_run import run_live
    from serve_app.commands.live_sources import (
        AudioSource,
        SourceFailed,
        file_source,
        load_sound_device,
        microphone_source,
        raw_source,
    )
    from serve_app.live_client import LiveRequest, Pace

    def opened() -> tuple[AudioSource, Pace | None]:
        speed = _FAST_SPEED if fast else 1.0
        match source:
            case "mic":
                return microphone_source(load_sound_device()), None
            case "-":
                return raw_source(sys.stdin.fileno()), Pace(speed, _PIPE_LEAD_S)
            case _:
                return file_source(Path(source)), Pace(speed)

    def display() -> Display:
        if json_lines:
            return JsonLines()
        console = Console(highlight=False)
        return TerminalLines(console) if console.is_terminal else FinalLines()

    def complain(text: str) -> None:
        Console(stderr=True, highlight=False).print(Text(text), soft_wrap=True)

    if fast and source == "mic":
        raise typer.BadParameter("nobody can speak faster into a microphone", param_hint="--fast")
    request = LiveRequest(language=language, keywords=keywords, diarize=diarize, speech_events=json_lines)
    try:
        audio, pace = opened()
        asyncio.run(run_live(server, api_key, request, audio, pace, display()))
    except SourceFailed as error:
        complain(str(error))
        raise typer.Exit(1) from None
    except ListenError as error:
        hint = f"{error.message}. Start one with: rayscribe serve" if error.code == UNREACHABLE else str(error)
        complain(hint)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except BrokenPipeError:
        # The reader of stdout has seen enough; without this the interpreter complains when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from None
