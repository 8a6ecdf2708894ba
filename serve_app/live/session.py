"""A live session: what a client calls, and what it hears."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

from deployments.errors import (
    ClientTooFast,
    Overloaded,
    ServiceUnavailable,
    SessionTooLong,
    StageLost,
)
from deployments.offload import EngineThreads
from serve_app.live.backlog import Backlog
from serve_app.live.contracts import AudioFormat, LiveEvent, SessionEnded
from serve_app.live.front import AudioFront
from serve_app.live.hearing import Hearing
from serve_app.live.listener import Listener, ListenerSettings, Split
from serve_app.live.outbox import Outbox
from serve_app.live.polishing import Polish
from serve_app.live.signals import LiveSignals
from serve_app.live.states import SESSION_MOVES, Machine, SessionMove, SessionState
from serve_app.live.words_told import WordsTold

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Seconds; see LiveSettings."""

    longest_s: float
    queued_s: float


@dataclass(frozen=True, slots=True)
class SessionUsage:
    """What a session has taken and given.

    ``answered_s``: the audio up to the last words that its client got, without what could not be recognised.
    """

    audio_s: float
    answered_s: float


class EngineSession:
    """Implements LiveSession; open it as a context, which frees everything when it is left.

    Calls wait in an inbox for the one task that listens; another says the finals. close_for(), which the limit of time
    calls as well, ends a session like close(), with an error in place of SessionEnded; until that is told, calls are
    left out. Any other error ends it at once. Either is what every call and the events raise from then on.

    Args:
        audio: what the client sends.
        limits: of time and waiting audio.
        listening: how speech is followed.
        front: hears the audio.
        hear: recognises.
        threads: for audio that comes in large messages.
        settle: called before the session says that it has ended as it should, and adds what it costs; what it raises
            is said instead.
        signals: are told of finals.
        polish: for finals that are to be said twice.
    """

    def __init__(
        self,
        audio: AudioFormat,
        limits: SessionLimits,
        listening: ListenerSettings,
        *,
        front: AudioFront,
        hear: Hearing,
        threads: EngineThreads,
        settle: Callable[[SessionEnded], Awaitable[SessionEnded]],
        signals: LiveSignals,
        polish: Polish | None = None,
    ) -> None:
        self._limits = limits
        self._settle = settle
        self._state = Machine(SessionState.OPEN, SESSION_MOVES)
        self._inbox: asyncio.Queue[bytes | SessionMove | Split] = asyncio.Queue()
        self._outbox = Outbox()
        self._backlog = Backlog(audio)
        self._listener = Listener(
            listening,
            front=front,
            hear=hear,
            threads=threads,
            backlog=self._backlog,
            spawn=self._spawn,
            say=self._say,
            request_split=self._inbox.put_nowait,
            polish=polish,
            signals=signals,
        )
        self._tasks: set[asyncio.Task[Any]] = set()
        self._said = WordsTold()
        self._read = WordsTold()
        self.has_settled = False
        """Whether it ended as it should, and settle() was called."""
        self.failure: Exception | None = None
        """Why the session cannot go on."""

    @property
    def usage(self) -> SessionUsage:
        """So far."""
        return SessionUsage(self._listener.audio_s, self._read.answered_s)

    async def __aenter__(self) -> Self:
        for work in (self._listen, self._answer, self._watch):
            self._spawn(self._led(work))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def feed(self, data: bytes) -> None:
        """See LiveSession."""
        if not self._takes(SessionMove.FEED):
            return
        self._backlog.received(len(data), _now_s())
        if self._backlog.waiting_s > self._limits.queued_s:
            self._fail(self._congestion())
            self._check()
        self._inbox.put_nowait(data)

    async def finalize(self) -> None:
        """See LiveSession."""
        self._pass_on(SessionMove.FINALIZE)

    async def clear(self) -> None:
        """See LiveSession."""
        self._pass_on(SessionMove.CLEAR)

    async def close(self) -> None:
        """See LiveSession."""
        self._pass_on(SessionMove.CLOSE)

    def close_for(self, reason: Exception) -> None:
        """See LiveSession."""
        if self._state.state is SessionState.OPEN:
            self._pass_on(SessionMove.CLOSE)
            self.failure = reason

    async def events(self) -> AsyncGenerator[LiveEvent]:
        """See LiveSession."""
        async for event in self._outbox.read():
            self._read.take(event)
            yield event

    def _pass_on(self, move: SessionMove) -> None:
        if self._takes(move):
            self._inbox.put_nowait(move)

    def _takes(self, move: SessionMove) -> bool:
        """Make a move, unless the session is closing for a reason: its events tell that, behind the last words."""
        if self.failure is not None and self._state.state is SessionState.CLOSING:
            return False
        self._check()
        self._state.move(move)
        return True

    def _check(self) -> None:
        if self.failure is not None:
            raise self.failure

    def _congestion(self) -> Exception:
        """Why too much audio waits: a client that is hardly ahead of real time has done nothing wrong."""
        queued_s = self._limits.queued_s
        if self._backlog.lead_s > queued_s / 2:
            return ClientTooFast(queued_s)
        return Overloaded(f"Recognition is more than {queued_s:g} seconds behind")

    async def _listen(self) -> None:
        while True:
            message = await self._inbox.get()
            match message:
                case bytes():
                    await self._listener.take(message)
                    if self._backlog.decoded_s > self._limits.longest_s:
                        self.close_for(SessionTooLong(self._limits.longest_s))
                case Split():
                    await self._listener.split(message)
                case SessionMove.FINALIZE:
                    await self._listener.finalize()
                case SessionMove.CLEAR:
                    await self._listener.clear()
                case _:
                    await self._listener.finish()
                    return

    async def _answer(self) -> None:
        await self._listener.answer()
        self._check()
        audio_s = self._listener.audio_s
        ended = SessionEnded(audio_s, audio_s - self._said.lost_s if self._said.has_words else 0.0)
        ended = await self._settle(ended)
        self.has_settled = True
        self._outbox.say(ended)
        self._stop()

    async def _watch(self) -> None:
        """Ends the session at its limit of time."""
        await asyncio.sleep(self._limits.longest_s)
        self.close_for(SessionTooLong(self._limits.longest_s))

    async def _led(self, work: Callable[[], Awaitable[None]]) -> None:
        """Work that the session cannot do without."""
        try:
            await work()
        except asyncio.CancelledError:
            # Not by the session: that is over when it cancels. What the work waited for went away with its worker.
            self._fail(StageLost("A worker stopped while it had the session"))
            raise
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        if self._state.state is not SessionState.ENDED:
            self.failure = self.failure or error
            self._outbox.fail(self.failure)
            self._stop()

    def _stop(self) -> None:
        """Cancel everything but the task that asks for it."""
        if self._state.state is SessionState.OPEN:
            self._state.move(SessionMove.CLOSE)
        if self._state.state is SessionState.CLOSING:
            self._state.move(SessionMove.END)
        for task in self._tasks - {asyncio.current_task()}:
            task.cancel()

    def _say(self, event: LiveEvent) -> None:
        self._said.take(event)
        self._outbox.say(event)

    def _spawn(self, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        """Whoever waits for an utterance is told that the service was unavailable. Other errors nobody expects."""
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception) and not isinstance(error, ServiceUnavailable):
            self._fail(error)


def _now_s() -> float:
    return asyncio.get_running_loop().time()
