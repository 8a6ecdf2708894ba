"""Follows the speech in one stream: from audio to the events of a session."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from deployments import service_log as log
from deployments.contracts import SAMPLE_RATE_HZ, SpeakerCount, Word
from deployments.errors import IllegalMove, ServiceUnavailable
from deployments.offload import EngineThreads
from deployments.signals import failure_label
from deployments.text_joining import joined_words
from serve_app.live.backlog import Backlog
from serve_app.live.contracts import Final, LiveEvent, Partial, SpeechEnded, SpeechStarted
from serve_app.live.endpointing import (
    CloseCause,
    EndpointEvent,
    EndRevoked,
    LikelyEnd,
    SpeechOffset,
    SpeechOnset,
    UtteranceClosed,
    UtteranceOpened,
)
from serve_app.live.front import AudioFront
from serve_app.live.hearing import Heard, Hearing
from serve_app.live.polishing import Polish
from serve_app.live.signals import LiveSignals
from serve_app.live.speakers import SpeakerRegister
from serve_app.live.states import SPEECH_MOVES, Machine, SpeechMove, SpeechState
from serve_app.live.utterance import RunningUtterance, Spawn

Result = TypeVar("Result")

# Decoding and voice activity of so much audio take under a millisecond; for more, a thread is worth its own cost.
_INLINE_S = 0.13
# One may be lost with a worker. So many in a row are an outage, and the client may find a way around it elsewhere.
_LOST_IN_A_ROW = 3


@dataclass(frozen=True, slots=True)
class ListenerSettings:
    """How a session's speech is followed.

    Attributes:
        partials: whether unfinished text is wanted.
        interval_s: the shortest time from one partial text to the next.
        max_words: an utterance with so many stable words is ended behind them; None: no limit.
        snr_floor_db: below this signal-to-noise ratio an utterance has no words.
        speakers: how many there may be; None: finals do not name any.
    """

    partials: bool
    interval_s: float
    max_words: int | None
    snr_floor_db: float
    speakers: SpeakerCount | None = None


@dataclass(frozen=True, slots=True)
class Split:
    """An utterance has as many words as one may, and is to end at a sample of the stream."""

    utterance: int
    at: int


@dataclass(frozen=True, slots=True)
class _Ending:
    """An utterance that waits for its words; without a task there are none.

    ``speech_came_s``: when the last of its speech was received, if silence ended it.
    """

    number: int
    start: int
    end: int
    heard: asyncio.Task[Heard] | None
    snr_db: float | None
    from_finalize: bool
    speech_came_s: float | None = None

    @property
    def duration_s(self) -> float:
        return (self.end - self.start) / SAMPLE_RATE_HZ


class Listener:
    """Hears messages one after the other, and says the finals in the order of the utterances.

    Several utterances may be in recognition; the next one's partial texts wait until all finals before it are said.

    Args:
        settings: see there.
        front: hears the audio.
        hear: recognises.
        threads: for audio that comes in large messages.
        backlog: learns what has been heard and answered.
        spawn: starts tasks.
        say: gets the events.
        request_split: is told when an utterance has all the words that one may; it calls split() in its turn.
        signals: are told of finals.
        polish: for finals that are to be said twice.
    """

    def __init__(
        self,
        settings: ListenerSettings,
        *,
        front: AudioFront,
        hear: Hearing,
        threads: EngineThreads,
        backlog: Backlog,
        spawn: Spawn,
        say: Callable[[LiveEvent], None],
        request_split: Callable[[Split], None],
        signals: LiveSignals,
        polish: Polish | None = None,
    ) -> None:
        self._settings = settings
        self._front = front
        self._hear = hear
        self._threads = threads
        self._backlog = backlog
        self._spawn = spawn
        self._say = say
        self._request_split = request_split
        self._polish = polish
        self._signals = signals
        self._state = Machine(SpeechState.QUIET, SPEECH_MOVES)
        self._utterance: RunningUtterance | None = None
        self._numbers = itertools.count()
        self._endings: asyncio.Queue[_Ending | None] = asyncio.Queue()
        self._polishes: asyncio.Queue[asyncio.Task[Final] | None] = asyncio.Queue()
        self._unsaid_finals = 0
        self._lost_in_a_row = 0
        self._split_utterance: int | None = None
        self._speech_end = 0
        self._speakers = None if settings.speakers is None else SpeakerRegister(settings.speakers)

    @property
    def audio_s(self) -> float:
        """Audio heard so far."""
        return self._front.now / SAMPLE_RATE_HZ

    async def take(self, data: bytes) -> None:
        """Hear a message.

        Raises:
            UnsupportedAudio: it cannot be decoded.
            ClientTooFast: it holds more audio than a message may.
        """
        pieces = await self._beside(self._backlog.duration_s(len(data)), partial(self._front.decode, data))
        for piece in pieces:
            duration_s = len(piece) / SAMPLE_RATE_HZ
            await self._follow(await self._beside(duration_s, partial(self._front.listen, piece)))
            self._begin_partial()
        self._backlog.decoded(len(data), sum(map(len, pieces)))

    async def finalize(self) -> None:
        """End the running utterance; answered by a final in any case."""
        events = self._front.finalize()
        await self._follow(events, from_finalize=True)
        if not any(isinstance(event, UtteranceClosed) for event in events):
            now = self._front.now
            self._end(_Ending(next(self._numbers), now, now, None, None, from_finalize=True))

    async def split(self, split: Split) -> None:
        """End the running utterance in its middle, if it is still the same."""
        utterance, end = self._utterance, self._front.utterance_end
        if utterance is None or end is None or utterance.number != split.utterance:
            return
        at = min(split.at, end)
        if at > utterance.start:
            await self._follow(self._front.split(at))

    async def clear(self) -> None:
        """Forget the running utterance."""
        if self._utterance is not None:
            self._state.move(SpeechMove.FORGET)
            self._utterance.forget()
            self._utterance = None
        await self._follow(self._front.clear())

    async def finish(self) -> None:
        """No more audio: end what runs; answer() returns when it is said."""
        await self._follow(self._front.flush())
        await self._follow(self._front.finalize())
        self._endings.put_nowait(None)

    async def answer(self) -> None:
        """Say the finals, until the last after finish(). One whose recognition failed says so.

        Raises:
            ServiceUnavailable: several utterances, one behind the other, could not be recognised.
        """
        polished = self._spawn(self._say_polished())
        while (ending := await self._endings.get()) is not None:
            final = await self._heard(ending)
            self._unsaid_finals -= 1
            self._backlog.answered(ending.duration_s)
            self._say_final(final)
            if final.words and ending.speech_came_s is not None:
                self._signals.answered(asyncio.get_running_loop().time() - ending.speech_came_s)
        self._polishes.put_nowait(None)
        await polished

    async def _heard(self, ending: _Ending) -> Final:
        if ending.heard is None:
            return self._final(ending, Heard())
        try:
            final = self._final(ending, await ending.heard)
        except ServiceUnavailable as error:
            self._lost_in_a_row += 1
            if self._lost_in_a_row == _LOST_IN_A_ROW:
                raise
            log.warning("live utterance lost", audio_s=round(ending.duration_s, 1), failure=failure_label(error))
            return replace(self._final(ending, Heard()), failure=error)
        self._lost_in_a_row = 0
        return final

    def _say_final(self, final: Final) -> None:
        if self._polish is None or not final.words:
            self._say(final)
            self._signals.said(final)
        else:
            self._say(replace(final, is_provisional=True))
            self._polishes.put_nowait(self._spawn(self._polish(final)))

    async def _say_polished(self) -> None:
        """Beside the finals: the next utterance's must not wait for the language model."""
        while (polish := await self._polishes.get()) is not None:
            final = await polish
            self._say(final)
            self._signals.said(final)

    def _final(self, ending: _Ending, heard: Heard) -> Final:
        is_drowned = ending.snr_db is not None and ending.snr_db < self._settings.snr_floor_db
        words = () if is_drowned else heard.words
        speaker = self._speakers.assign(heard.voice) if self._speakers and words else None
        words = tuple(replace(word, speaker=speaker) for word in words)
        return Final(
            utterance=ending.number,
            text=_text(words),
            words=words,
            start_s=words[0].start_s if words else ending.start / SAMPLE_RATE_HZ,
            end_s=words[-1].end_s if words else ending.end / SAMPLE_RATE_HZ,
            language=heard.language,
            speaker=speaker,
            snr_db=ending.snr_db,
            from_finalize=ending.from_finalize,
            warnings=heard.warnings if words else (),
        )

    async def _follow(self, events: Sequence[EndpointEvent], *, from_finalize: bool = False) -> None:
        for event in events:
            match event:
                case SpeechOnset(at):
                    self._say(SpeechStarted(at / SAMPLE_RATE_HZ))
                case SpeechOffset(at):
                    self._speech_end = at
                    self._say(SpeechEnded(at / SAMPLE_RATE_HZ))
                case UtteranceOpened(start):
                    self._begin(start)
                case LikelyEnd(start, end):
                    self._state.move(SpeechMove.PAUSE)
                    self._running.begin_trial(self._front.excerpt(start, end))
                case EndRevoked():
                    self._state.move(SpeechMove.RESUME)
                    self._running.revoke_trial()
                case UtteranceClosed(start, end, cause):
                    came_s = self._backlog.arrival_s(self._speech_end) if cause is CloseCause.SILENCE else None
                    await self._close(start, end, came_s, from_finalize=from_finalize)

    @property
    def _running(self) -> RunningUtterance:
        if self._utterance is None:
            raise IllegalMove(self._state.state, "recognise an utterance")
        return self._utterance

    def _begin(self, start: int) -> None:
        self._state.move(SpeechMove.BEGIN)
        self._utterance = RunningUtterance(
            next(self._numbers),
            start,
            hear=self._hear,
            spawn=self._spawn,
            interval_s=self._settings.interval_s,
            show=self._show,
        )

    async def _close(self, start: int, end: int, speech_came_s: float | None, *, from_finalize: bool) -> None:
        self._state.move(SpeechMove.FINISH)
        # The last window of a stream is filled up, and an utterance may end in what was added.
        end = min(end, self._front.now)
        utterance, self._utterance = self._running, None
        heard = utterance.finish(self._front.excerpt(start, end))
        snr_db = await self._threads.run(lambda _: self._front.snr_db(end))
        self._end(_Ending(utterance.number, start, end, heard, snr_db, from_finalize, speech_came_s))

    def _end(self, ending: _Ending) -> None:
        self._unsaid_finals += 1
        self._backlog.closed(ending.duration_s)
        self._endings.put_nowait(ending)

    def _begin_partial(self) -> None:
        wanted = self._settings.partials or self._settings.max_words is not None
        end = self._front.utterance_end
        if wanted and end is not None and self._state.state is SpeechState.SPEAKING and self._running.is_partial_due:
            self._running.begin_partial(self._front.excerpt(self._running.start, end))

    def _show(self, utterance: RunningUtterance, words: tuple[Word, ...], stable: int) -> None:
        if self._settings.partials and not self._unsaid_finals:
            start_s, end_s = words[0].start_s, words[-1].end_s
            self._say(Partial(utterance.number, _text(words), words, start_s, end_s, stable))
        most = self._settings.max_words
        if most is not None and stable >= most and self._split_utterance != utterance.number:
            self._split_utterance = utterance.number
            next_s = words[most].start_s if len(words) > most else words[most - 1].end_s
            self._request_split(Split(utterance.number, int((words[most - 1].end_s + next_s) / 2 * SAMPLE_RATE_HZ)))

    async def _beside(self, duration_s: float, work: Callable[[], Result]) -> Result:
        """Run work on so much audio without holding up the event loop."""
        if duration_s <= _INLINE_S:
            return work()
        return await self._threads.run(lambda _: work())


def _text(words: Sequence[Word]) -> str:
    return joined_words(word.text for word in words)
