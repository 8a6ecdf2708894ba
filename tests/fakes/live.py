"""Live sessions that say what a script says, for the dialects."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

from deployments.contracts import Word
from deployments.errors import IllegalMove, RayscribeError
from serve_app.access.visit import Visit
from serve_app.live.contracts import Final, LiveEvent, LiveOptions, Partial, SessionEnded, SpeechEnded, SpeechStarted

Line = LiveEvent | Exception
"""An event, or the error that the events end with."""

WORDS = (Word("Hello", 0.1, 0.4, 0.9), Word("there.", 0.5, 0.9, 0.8))

UTTERANCE: tuple[LiveEvent, ...] = (
    SpeechStarted(0.1),
    Partial(0, "Hello", WORDS[:1], 0.1, 0.4, stable_words=0),
    Partial(0, "Hello there.", WORDS, 0.1, 0.9, stable_words=1),
    SpeechEnded(0.9),
    Final(0, "Hello there.", WORDS, 0.1, 0.9, "en", snr_db=21.0),
)
"""How somebody says hello there."""

EMPTY_FINAL = Final(0, "", (), 0.0, 0.0, None, from_finalize=True)


_ENDED = SessionEnded(audio_s=1.0, billable_s=1.0)


@dataclass(frozen=True)
class LiveScript:
    """What a session says, and when.

    Attributes:
        after_messages: by how many messages of audio were fed; the default says hello there at the first.
        on_finalize: for each finalize in turn; after the last, an empty final.
        on_close: before the end.
        ended: the end; None: none comes by itself, whoever closes the session.
        feed_error: what every feed raises.
    """

    after_messages: Mapping[int, Sequence[Line]] = field(default_factory=lambda: {1: UTTERANCE})
    on_finalize: Sequence[Sequence[Line]] = ()
    on_close: Sequence[Line] = ()
    ended: SessionEnded | None = _ENDED
    feed_error: RayscribeError | None = None


class FakeLiveSession:
    """Implements LiveSession. What it was told stays readable when it is over."""

    def __init__(self, visit: Visit, options: LiveOptions, script: LiveScript) -> None:
        self.visit = visit
        self.options = options
        self.messages: list[bytes] = []
        self.finalizes = 0
        self.clears = 0
        self.closes = 0
        self.reason: Exception | None = None
        """Why it was closed, where that was not its client's wish."""
        self.left = False
        """Whether its context is over."""
        self._script = script
        self._lines: asyncio.Queue[Line] = asyncio.Queue()

    @property
    def audio(self) -> bytes:
        """Everything that was fed."""
        return b"".join(self.messages)

    def say(self, *lines: Line) -> None:
        """Say something outside the script; from the session's own event loop."""
        for line in lines:
            self._lines.put_nowait(line)

    async def feed(self, data: bytes) -> None:
        if not self._takes("feed"):
            return
        if self._script.feed_error:
            raise self._script.feed_error
        self.messages.append(data)
        self.say(*self._script.after_messages.get(len(self.messages), ()))

    async def finalize(self) -> None:
        if not self._takes("finalize"):
            return
        scripted = self.finalizes < len(self._script.on_finalize)
        self.say(*(self._script.on_finalize[self.finalizes] if scripted else (EMPTY_FINAL,)))
        self.finalizes += 1

    async def clear(self) -> None:
        self.clears += self._takes("clear")

    async def close(self) -> None:
        if self._takes("close"):
            self.closes += 1
            self._end(self._script.ended)

    def close_for(self, reason: Exception) -> None:
        if self.reason is None and not self.closes:
            self.reason = reason
            self._end(reason)

    async def events(self) -> AsyncIterator[LiveEvent]:
        while True:
            line = await self._lines.get()
            if isinstance(line, Exception):
                raise line
            yield line
            if isinstance(line, SessionEnded):
                return

    def _end(self, line: Line | None) -> None:
        self.say(*self._script.on_close)
        if line is not None and self._script.ended is not None:
            self.say(line)

    def _takes(self, move: str) -> bool:
        if self.closes or self.left:
            raise IllegalMove("closing" if self.closes else "closed", move)
        return self.reason is None


@dataclass
class FakeLiveService:
    """Implements LiveService: opens sessions that follow one script, or refuses with ``error``."""

    script: LiveScript = field(default_factory=LiveScript)
    error: RayscribeError | None = None
    sessions: list[FakeLiveSession] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def open(self, visit: Visit, options: LiveOptions) -> AsyncIterator[FakeLiveSession]:
        if self.error:
            raise self.error
        session = FakeLiveSession(visit, options, self.script)
        self.sessions.append(session)
        try:
            yield session
        finally:
            session.left = True
