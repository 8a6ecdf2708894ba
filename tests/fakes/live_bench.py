"""A live session on fake ears, in virtual time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeVar

from deployments.offload import EngineThreads
from serve_app.live.contracts import AudioFormat, Final, LiveEvent, Partial, SessionEnded
from serve_app.live.endpointing import EndpointingSettings
from serve_app.live.front import AudioFront
from serve_app.live.listener import ListenerSettings
from serve_app.live.polishing import Polish
from serve_app.live.session import EngineSession, SessionLimits
from serve_app.live.signals import LiveSignals
from tests.fakes.live_audio import LevelVad, ScriptedHearing, messages
from tests.fakes.signals import RecordedSignals
from tests.fakes.virtual_time import run_virtually

Event = TypeVar("Event")

LISTENING = ListenerSettings(partials=True, interval_s=0.5, max_words=None, snr_floor_db=-10.0)
LIMITS = SessionLimits(longest_s=3600.0, queued_s=30.0)


@dataclass
class LiveBench:
    """Opens one session; ``events`` and ``times_s`` say what it said, and when; ``error`` how its events ended."""

    hearing: ScriptedHearing = field(default_factory=ScriptedHearing)
    listening: ListenerSettings = LISTENING
    limits: SessionLimits = LIMITS
    endpointing: EndpointingSettings = field(default_factory=EndpointingSettings)
    audio: AudioFormat = field(default_factory=AudioFormat)
    polish: Polish | None = None
    settle_error: Exception | None = None
    settled: list[SessionEnded] = field(default_factory=list)
    events: list[LiveEvent] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)
    error: Exception | None = None
    signals: RecordedSignals = field(default_factory=RecordedSignals)

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[EngineSession]:
        self.session = EngineSession(
            self.audio,
            self.limits,
            self.listening,
            front=AudioFront(self.audio, 60.0, LevelVad(), self.endpointing),
            hear=self.hearing,
            threads=EngineThreads(1),
            settle=self._settle,
            polish=self.polish,
            signals=LiveSignals(self.signals),
        )
        async with self.session as session:
            self.reader = asyncio.create_task(self._read())
            try:
                yield session
            finally:
                self.reader.cancel()
                await asyncio.gather(self.reader, return_exceptions=True)

    async def play(self, data: bytes, message_s: float = 0.1) -> None:
        """Feed audio as it is spoken."""
        for message in messages(data, message_s):
            await asyncio.sleep(message_s)
            await self.session.feed(message)

    async def ended(self) -> None:
        """Wait for the last event."""
        await asyncio.wait([self.reader])

    async def close(self) -> None:
        """Close the session, and wait for its last event."""
        await self.session.close()
        await self.ended()

    def said(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]

    def when_s(self, kind: type[LiveEvent]) -> list[float]:
        return [time_s for event, time_s in zip(self.events, self.times_s, strict=True) if isinstance(event, kind)]

    def texts(self) -> list[str]:
        return [final.text for final in self.said(Final)]

    async def _read(self) -> None:
        try:
            async for event in self.session.events():
                self.events.append(event)
                self.times_s.append(asyncio.get_running_loop().time())
        except Exception as error:
            self.error = error

    async def _settle(self, ended: SessionEnded) -> SessionEnded:
        self.settled.append(ended)
        if self.settle_error:
            raise self.settle_error
        return ended


def held(bench: LiveBench, talk: Callable[[LiveBench], Awaitable[None]]) -> LiveBench:
    """A whole session in virtual time, checked for what holds for any."""

    async def main() -> None:
        async with bench.open():
            await talk(bench)
        assert bench.hearing.running == 0

    run_virtually(main)
    check_order(bench.events)
    return bench


def saying(data: bytes) -> Callable[[LiveBench], Awaitable[None]]:
    """The talk of a client who plays this and closes."""

    async def talk(bench: LiveBench) -> None:
        await bench.play(data)
        await bench.close()

    return talk


def check_order(events: list[LiveEvent]) -> None:
    """What holds for the events of any session."""
    finals = [event for event in events if isinstance(event, Final)]
    numbers = [final.utterance for final in finals]
    assert numbers == sorted(set(numbers)), "utterances end once, in their order"
    words = [word for final in finals for word in final.words]
    for before, after in pairwise(words):
        assert before.start_s <= before.end_s <= after.start_s, "words come one after the other"
    done = shown = -1
    stable: dict[int, tuple[str, ...]] = {}
    for at, event in enumerate(events):
        if isinstance(event, Final):
            assert event.utterance >= shown, "unfinished text waits for the finals before it"
            done = event.utterance
        elif isinstance(event, Partial):
            assert event.utterance > done, "no unfinished text behind the final one"
            shown = event.utterance
            texts = tuple(word.text for word in event.words)
            before_it = stable.get(event.utterance, ())
            assert texts[: len(before_it)] == before_it, "stable words stay"
            stable[event.utterance] = texts[: event.stable_words]
        elif isinstance(event, SessionEnded):
            assert at == len(events) - 1, "nothing follows the end"
