"""``rayscribe transcribe``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from serve_app.commands.options import DEFAULT_SERVER, ApiKeyOption, ServerOption


class OutputFormat(StrEnum):
    """What a transcript is written as."""

    TEXT = "text"
    JSON = "json"
    SRT = "srt"
    VTT = "vtt"


def transcribe(
    files: Annotated[list[Path], typer.Argument(help="Recordings: any format with an audio track.", metavar="FILE...")],
    diarize: Annotated[bool, typer.Option("--diarize", help="Tell speakers apart.")] = False,
    num_speakers: Annotated[
        int | None, typer.Option(help="How many people speak, where known; implies --diarize.", min=1)
    ] = None,
    language: Annotated[
        str | None, typer.Option(help="ISO 639-1 code, or `auto` to find out.", show_default="the server's: en")
    ] = None,
    word_times: Annotated[bool, typer.Option("--word-times", help="Add the time of every word (text, json).")] = False,
    output_format: Annotated[OutputFormat, typer.Option("--format", help="What to write.")] = OutputFormat.TEXT,
    output_dir: Annotated[
        Path | None, typer.Option(help="Write one file per recording there, instead of stdout.", file_okay=False)
    ] = None,
    concurrency: Annotated[int, typer.Option(help="Recordings sent at once.", min=1, max=64)] = 4,
    server: ServerOption = DEFAULT_SERVER,
    api_key: ApiKeyOption = None,
) -> None:
    """Transcribe recordings with a running service.

    Transcripts go to stdout in the order of the files, everything else to stderr. The exit code is 1 when a recording
    failed; the others are delivered all the same.
    """
    import asyncio

    from serve_app.client import ListenOptions
    from serve_app.commands.endings import quiet_endings
    from serve_app.commands.transcription_run import TranscriptionRun

    is_subtitle = output_format in (OutputFormat.SRT, OutputFormat.VTT)
    if word_times and is_subtitle:
        raise typer.BadParameter("the cues of srt and vtt have their own times", param_hint="--word-times")
    options = ListenOptions(
        language=language,
        diarize=diarize or num_speakers is not None,
        num_speakers=num_speakers,
        timestamps=word_times or is_subtitle,
    )
    run = TranscriptionRun(files, options, output_format, output_dir, word_times=word_times, api_key=api_key)
    with quiet_endings():
        succeeded = asyncio.run(run.execute(server, concurrency))
    raise typer.Exit(0 if succeeded else 1)
