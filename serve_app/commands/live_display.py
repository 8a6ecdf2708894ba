"""How ``rayscribe live`` shows what it hears."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import groupby
from typing import Protocol

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.live import Live
from rich.text import Text

from deployments.text_joining import joined_words
from serve_app.live_client import ErrorEvent, LiveEvent, LiveTranscript


class Display(Protocol):
    """Shows events while its context is entered."""

    def entered(self) -> AbstractContextManager[object]:
        """The time in which the output belongs to it."""
        ...

    def show(self, event: LiveEvent) -> None:
        """Show an event as it comes."""
        ...


class JsonLines:
    """Every event as the server wrote it, one a line."""

    def entered(self) -> AbstractContextManager[object]:
        """See Display."""
        return nullcontext()

    def show(self, event: LiveEvent) -> None:
        """See Display."""
        _write(event.model_dump_json(exclude_unset=True))


class FinalLines:
    """Start, end and text of what is final, with tabs between them; on stderr, that an utterance was lost."""

    def entered(self) -> AbstractContextManager[object]:
        """See Display."""
        return nullcontext()

    def show(self, event: LiveEvent) -> None:
        """See Display."""
        if isinstance(event, ErrorEvent):
            sys.stderr.write(event.message + "\n")
        if isinstance(event, LiveTranscript) and event.is_final:
            for line in lines_of(event):
                _write(line)


class TerminalLines:
    """The same on a terminal, and below it the running utterance in a line that is written again and again."""

    def __init__(self, console: Console) -> None:
        self._console = console
        # Drawn when there is something new, not by a thread.
        self._line = Live(console=console, auto_refresh=False, transient=True)

    def entered(self) -> AbstractContextManager[object]:
        """See Display."""
        return self._line

    def show(self, event: LiveEvent) -> None:
        """See Display."""
        if isinstance(event, ErrorEvent):
            self._console.print(Text(event.message, style="red"), soft_wrap=True)
        if not isinstance(event, LiveTranscript):
            return
        if event.is_final:
            for line in lines_of(event):
                self._console.print(Text(line), soft_wrap=True)
        running = "" if event.is_final else tail(event.transcript, self._console.width)
        self._line.update(Text(running, style="dim", no_wrap=True), refresh=True)


def lines_of(final: LiveTranscript) -> Iterator[str]:
    """A line for each speaker in turn; nothing where nothing was said."""
    for speaker, run in groupby(final.words, key=lambda word: word.speaker):
        words = list(run)
        text = joined_words(word.word for word in words)
        named = text if speaker is None else f"Speaker {speaker}: {text}"
        yield f"{words[0].start:.2f}\t{words[-1].end:.2f}\t{named}"


def tail(text: str, width: int) -> str:
    """The end of a text that is too long for a line of so many columns: what is new is there."""
    if cell_len(text) < width:
        return text
    return f"…{set_cell_size(text[::-1], width - 2)[::-1]}"


def _write(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
