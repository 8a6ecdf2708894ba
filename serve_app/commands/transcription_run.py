"""Several recordings through the service at once, delivered in order."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from serve_app.client import UNREACHABLE, ListenAnswer, ListenClient, ListenError, ListenOptions
from serve_app.commands.transcribe import OutputFormat
from serve_app.formats.plain_text import to_text, to_word_list
from serve_app.formats.subtitles import to_srt, to_vtt

_SUFFIXES = {OutputFormat.TEXT: ".txt", OutputFormat.JSON: ".json", OutputFormat.SRT: ".srt", OutputFormat.VTT: ".vtt"}


class TranscriptionRun:
    """One ``rayscribe transcribe``: what to send, and where the answers go."""

    def __init__(
        self,
        files: Sequence[Path],
        options: ListenOptions,
        output_format: OutputFormat,
        output_dir: Path | None,
        *,
        word_times: bool,
        api_key: str | None = None,
    ) -> None:
        """Args as on the command line; without output_dir transcripts go to stdout."""
        self._api_key = api_key
        self._files = files
        self._options = options
        self._format = output_format
        self._output_dir = output_dir
        self._word_times = word_times
        self._targets = output_names(files, _SUFFIXES[output_format])
        self._stderr = Console(stderr=True, highlight=False)
        self._unreachable: ListenError | None = None
        self._not_sent: list[Path] = []

    async def execute(self, server: str, concurrency: int) -> bool:
        """Transcribe everything; whether all of it succeeded."""
        slots = asyncio.Semaphore(concurrency)
        with self._progress() as progress:
            bar = progress.add_task("Transcribing", total=len(self._files))

            async def transcribe(path: Path) -> ListenAnswer:
                async with slots:
                    try:
                        return await self._transcribe(client, path)
                    finally:
                        progress.advance(bar)

            async with ListenClient(server, self._api_key) as client:
                pending = [asyncio.create_task(transcribe(path)) for path in self._files]
                try:
                    # In the order given, each as soon as it and those before it are there.
                    delivered = [await self._deliver(index, task) for index, task in enumerate(pending)]
                finally:
                    for task in pending:
                        task.cancel()
                    await asyncio.gather(*pending, return_exceptions=True)
        if self._unreachable is not None:
            for path in self._not_sent if any(delivered) else ():
                self._complain(f"{path}: not sent")
            self._complain(f"{self._unreachable.message}. Start one with: rayscribe serve")
        return all(delivered)

    async def _transcribe(self, client: ListenClient, path: Path) -> ListenAnswer:
        if self._unreachable is not None:
            raise self._unreachable
        try:
            return await client.transcribe(path, self._options)
        except ListenError as error:
            if error.code == UNREACHABLE:
                # The files that still wait will not fare better.
                self._unreachable = error
            raise

    async def _deliver(self, index: int, answer: asyncio.Task[ListenAnswer]) -> bool:
        path = self._files[index]
        try:
            transcript = await answer
            for warning in transcript.warnings:
                self._complain(f"{path}: warning: {warning.message} ({warning.code})")
            self._write(index, self._render(path, transcript))
        except ListenError as error:
            if error.code == UNREACHABLE:
                self._not_sent.append(path)
            else:
                self._complain(f"{path}: {error}")
            return False
        except BrokenPipeError:
            raise
        except OSError as error:
            self._complain(f"{path}: {error.strerror or error}")
            return False
        return True

    def _render(self, path: Path, answer: ListenAnswer) -> str:
        match self._format:
            case OutputFormat.JSON:
                # One object per line on stdout, as log tools and jq like it.
                fields = {"file": str(path), **answer.model_dump(mode="json", exclude_unset=True)}
                return json.dumps(fields, ensure_ascii=False, indent=2 if self._output_dir else None) + "\n"
            case OutputFormat.SRT:
                return to_srt(answer.segments())
            case OutputFormat.VTT:
                return to_vtt(answer.segments())
            case OutputFormat.TEXT:
                segments = answer.segments()
                return to_word_list(segments) if self._word_times else to_text(segments)

    def _write(self, index: int, text: str) -> None:
        if self._output_dir is not None:
            self._output_dir.mkdir(parents=True, exist_ok=True)
            (self._output_dir / self._targets[index]).write_text(text, encoding="utf-8")
            return
        if self._format is OutputFormat.TEXT and len(self._files) > 1:
            gap = "\n" if index > 0 else ""
            text = f"{gap}==> {self._files[index]} <==\n{text}"
        sys.stdout.write(text)
        sys.stdout.flush()

    def _progress(self) -> Progress:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        is_terminal = self._stderr.is_terminal
        # What goes to stdout goes there as it is: only a terminal is shared with the bar, and rich moves that away.
        return Progress(
            *columns, console=self._stderr, disable=not is_terminal, transient=True, redirect_stdout=sys.stdout.isatty()
        )

    def _complain(self, text: str) -> None:
        self._stderr.print(Text(text), soft_wrap=True)


def output_names(files: Sequence[Path], suffix: str) -> list[str]:
    """A file name for each transcript: the recording's with another suffix.

    Made unique where two would meet, or where a transcript would replace a recording in the same folder.
    """
    names: list[str] = []
    recordings = {path.name for path in files}
    for path in files:
        candidates = [path.stem, path.name, *(f"{path.name}-{number}" for number in range(2, len(files) + 2))]
        taken = recordings.union(names)
        names.append(next(name + suffix for name in candidates if name + suffix not in taken))
    return names
