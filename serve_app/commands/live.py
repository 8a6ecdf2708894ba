"""``rayscribe live``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from serve_app.commands.options import DEFAULT_SERVER, ApiKeyOption, ServerOption

if TYPE_CHECKING:
    from serve_app.commands.live_display import Display
    from serve_app.commands.live_sources import AudioSource
    from serve_app.live_client import Pace

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
    api_key: ApiKeyOption = None,
) -> None:
    """Transcribe speech while it is spoken.

    Each line is what was said between two pauses: its start and end in seconds, and the text. On a terminal the line
    that is being spoken is shown, too. Ctrl-C ends the audio and waits for the last words.
    """
    import asyncio

    from serve_app.client import UNREACHABLE, ListenError
    from serve_app.commands.endings import quiet_endings
    from serve_app.commands.live_run import run_live
    from serve_app.commands.live_sources import SourceFailed
    from serve_app.live_client import LiveRequest

    if fast and source == "mic":
        raise typer.BadParameter("nobody can speak faster into a microphone", param_hint="--fast")
    request = LiveRequest(language=language, keywords=keywords, diarize=diarize, speech_events=json_lines)
    with quiet_endings():
        try:
            audio, pace = _opened(source, _FAST_SPEED if fast else 1.0)
            asyncio.run(run_live(server, api_key, request, audio, pace, _display(json_lines=json_lines)))
        except SourceFailed as error:
            _fail(str(error))
        except ListenError as error:
            _fail(f"{error.message}. Start one with: rayscribe serve" if error.code == UNREACHABLE else str(error))


def _opened(source: str, speed: float) -> tuple[AudioSource, Pace | None]:
    """The audio, and how fast it may be sent; a microphone is never faster than people speak.

    Raises:
        SourceFailed: there is no microphone.
    """
    import sys
    from pathlib import Path

    from serve_app.commands.live_sources import file_source, load_sound_device, microphone_source, raw_source
    from serve_app.live_client import Pace

    match source:
        case "mic":
            return microphone_source(load_sound_device()), None
        case "-":
            return raw_source(sys.stdin.fileno()), Pace(speed, _PIPE_LEAD_S)
        case _:
            return file_source(Path(source)), Pace(speed)


def _display(*, json_lines: bool) -> Display:
    from rich.console import Console

    from serve_app.commands.live_display import FinalLines, JsonLines, TerminalLines

    if json_lines:
        return JsonLines()
    console = Console(highlight=False)
    return TerminalLines(console) if console.is_terminal else FinalLines()


def _fail(text: str) -> NoReturn:
    from rich.console import Console
    from rich.text import Text

    Console(stderr=True, highlight=False).print(Text(text), soft_wrap=True)
    raise typer.Exit(1)
