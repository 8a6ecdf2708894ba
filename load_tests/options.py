"""Options that all programs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from load_tests.recordings import Recording, find_audio_folder, read_manifest

DEFAULT_SERVER = "http://127.0.0.1:7100"

ServerOption = Annotated[str, typer.Option("--server", metavar="URL", help="The service to measure.")]
StartOption = Annotated[
    bool, typer.Option("--start", help="Start `rayscribe serve` on the port of --server, and stop it afterwards.")
]
AudioOption = Annotated[
    Path | None,
    typer.Option(
        "--audio",
        metavar="DIR",
        envvar="RAYSCRIBE_AUDIO",
        help="Recordings with a manifest.jsonl; default: ../shared/audio beside the checkout, where there is one.",
    ),
]
ResultsOption = Annotated[Path, typer.Option("--results", metavar="DIR", help="Where the JSON goes.")]
LimitOption = Annotated[
    int | None, typer.Option("--limit", min=1, help="At most so many recordings of each kind: a quick look.")
]
DiarizationMinutesOption = Annotated[
    float | None,
    typer.Option(
        "--diarization-minutes",
        min=0.0,
        help="Most audio that is diarized, which takes the library 1.5 times its length; 0 leaves it out. "
        "Default: all of it for accuracy, 2.5 for speed.",
    ),
]
DEFAULT_RESULTS = Path("results")


def recordings_in(audio: Path | None) -> tuple[tuple[Recording, ...], str | None]:
    """All recordings of the folder, and why there are none."""
    try:
        folder = find_audio_folder(audio)
    except FileNotFoundError as error:
        raise typer.BadParameter(str(error), param_hint="--audio") from error
    if folder is None:
        return (), "no folder of recordings was given (--audio DIR or $RAYSCRIBE_AUDIO)"
    return read_manifest(folder), None


def limited(recordings: tuple[Recording, ...], limit: int | None) -> tuple[Recording, ...]:
    """The first so many of each kind."""
    if limit is None:
        return recordings
    seen: dict[str, int] = {}
    kept = []
    for recording in recordings:
        seen[recording.kind] = seen.get(recording.kind, 0) + 1
        if seen[recording.kind] <= limit:
            kept.append(recording)
    return tuple(kept)
