"""Which item of a realtime conversation each event of a live session belongs to. Pure.

With turn detection, speech makes an item, its end commits it, and the text of that utterance completes it. A commit of
the client ends the running item early; where the speech before it is only heard later, that makes no item of its own.
Without turn detection only the client commits, and an item is all that was said up to then. Text comes later than the
audio that it is of: items wait for it, and it comes in the order of the audio. What a client has committed is complete
when the session has answered that.

Where a language model polishes the text, the deltas have it as it was recognised and the transcript as it was polished:
an item waits for that as well, while the next ones go on.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from deployments.contracts import TranscriptionWarning
from deployments.errors import ServiceUnavailable
from serve_app.dialects.openai import realtime_events as events
from serve_app.dialects.openai.realtime_text import GrowingText
from serve_app.dialects.socket_frames import Message
from serve_app.live.contracts import Final, Partial


@dataclass(eq=False)
class _Item:
    """Until it is completed. ``end_s`` is where its audio ends: at the end of speech, or at the client's commit."""

    id: str = field(default_factory=lambda: f"item_{uuid.uuid4().hex[:24]}")
    end_s: float | None = None
    is_committed: bool = False
    text: GrowingText = field(default_factory=GrowingText)
    languages: dict[str, None] = field(default_factory=dict)
    duration_s: float = 0.0
    # Each once: a polished final repeats what the one before it told.
    warnings: dict[TranscriptionWarning, None] = field(default_factory=dict)
    failure: ServiceUnavailable | None = None
    is_answered: bool = False
    unpolished: int = 0
    polished: GrowingText = field(default_factory=GrowingText)

    @property
    def transcript(self) -> GrowingText:
        """As it was polished, if it was."""
        return self.polished if self.polished.pieces else self.text

    @property
    def is_complete(self) -> bool:
        """Whether no more text is to come."""
        return self.is_answered and not self.unpolished


class Items:
    """The items of one conversation.

    Args:
        detects_turns: whether speech makes items.
        padding_s: audio in front of speech that ``audio_start_ms`` includes.
        logprobs: whether text carries log probabilities.
    """

    def __init__(self, *, detects_turns: bool, padding_s: float, logprobs: bool) -> None:
        self._detects_turns = detects_turns
        self.padding_s = padding_s
        self.logprobs = logprobs
        self._open: list[_Item] = []
        self._commits: deque[_Item] = deque()
        self._of_utterance: dict[int, _Item] = {}
        # By utterance; None: of what was cleared.
        self._unpolished: dict[int, _Item | None] = {}
        self._last_committed: str | None = None
        self._cleared_s = 0.0

    def speech_started(self, at_s: float) -> list[Message]:
        """Somebody began to speak: an item begins, unless a commit that waits for its text, or a clear, was faster."""
        waiting_s = self._commits[-1].end_s or 0.0 if self._commits else 0.0
        if not self._detects_turns or at_s < max(self._cleared_s, waiting_s):
            return []
        return self._begun(self._new(), at_s)

    def speech_ended(self, at_s: float) -> list[Message]:
        """Nobody speaks any more: the running item is committed."""
        running = self._running()
        return self._ended(running, at_s) if self._detects_turns and running else []

    def commit(self, at_s: float) -> list[Message]:
        """The client commits all audio up to here. The session is to be asked for a final text next."""
        item = self._running() or self._new()
        item.end_s = at_s
        self._commits.append(item)
        return self._committed(item)

    def clear(self, at_s: float) -> list[Message]:
        """The client forgets all audio up to here that is not committed; text of it may still come."""
        self._cleared_s = at_s
        self._forget([item for item in self._open if not item.is_committed])
        return [events.cleared()]

    def partial(self, event: Partial) -> list[Message]:
        """What is certain of a running text."""
        item, told = self._item_of(event)
        if item is None:
            return []
        pieces = item.text.grow(event.text, event.words, event.stable_words)
        return [*told, *events.delta(item.id, pieces, logprobs=self.logprobs)]

    def final(self, event: Final) -> list[Message]:
        """The text of an utterance, which completes its item, unless only the client may.

        An item one of whose utterances was lost fails, for its text would not tell.
        """
        if event.utterance in self._unpolished:
            return self._polished(self._unpolished.pop(event.utterance), event)
        answered = self._commits.popleft() if event.from_finalize and self._commits else None
        item, told = self._item_of(event) if answered is None else (answered, [])
        if event.is_provisional:
            self._unpolished[event.utterance] = item
        if item is None:
            return told
        completes = answered is not None or (self._detects_turns and item not in self._commits)
        if completes and not item.is_committed:
            told += self._ended(item, event.end_s)
        pieces = item.text.complete(event.text, event.words)
        told += events.delta(item.id, pieces, logprobs=self.logprobs)
        if event.failure is None:
            item.duration_s += event.end_s - event.start_s
        item.failure = item.failure or event.failure
        item.warnings |= dict.fromkeys(event.warnings)
        if event.language is not None and event.text:
            item.languages[event.language] = None
        self._of_utterance.pop(event.utterance, None)
        item.is_answered = completes
        item.unpolished += event.is_provisional
        return [*told, *(self._completed(item) if item.is_complete else ())]

    def _polished(self, item: _Item | None, event: Final) -> list[Message]:
        if item is None:
            return []
        item.unpolished -= 1
        item.polished.complete(event.text, event.words)
        item.warnings |= dict.fromkeys(event.warnings)
        return self._completed(item) if item.is_complete and item in self._open else []

    def _item_of(self, event: Partial | Final) -> tuple[_Item | None, list[Message]]:
        """The item of a text, and what is to be said before it. There is none for what was cleared, or for nothing."""
        if event.utterance in self._of_utterance:
            return self._of_utterance[event.utterance], []
        told: list[Message] = []
        item = self._next_of_turn(event, told) if self._detects_turns else self._next_of_client(event)
        if item is None:
            is_nothing = not event.text and not (isinstance(event, Final) and event.failure)
            if is_nothing or event.end_s <= self._cleared_s:
                return None, told
            # One utterance became two where it was too long: the second has no start of speech of its own.
            item = self._new()
            told += self._begun(item, event.start_s) if self._detects_turns else ()
        self._of_utterance[event.utterance] = item
        return item, told

    def _next_of_turn(self, event: Partial | Final, told: list[Message]) -> _Item | None:
        """The first item without a text whose speech did not end before this one; those before it get none."""
        taken = set(map(id, self._of_utterance.values()))
        for item in [item for item in self._open if id(item) not in taken and not item.is_answered]:
            if item.end_s is None or item.end_s > event.start_s:
                return item
            if item.is_committed and item not in self._commits:
                told += self._completed(item)
        return None

    def _next_of_client(self, event: Partial | Final) -> _Item | None:
        waiting = (item for item in self._open if not item.is_answered)
        return next((item for item in waiting if item.end_s is None or item.end_s >= event.end_s), None)

    def _running(self) -> _Item | None:
        return next((item for item in reversed(self._open) if not item.is_committed), None)

    def _new(self) -> _Item:
        item = _Item()
        self._open.append(item)
        return item

    def _begun(self, item: _Item, at_s: float) -> list[Message]:
        return [events.speech_started(item.id, at_s - self.padding_s)]

    def _ended(self, item: _Item, at_s: float) -> list[Message]:
        item.end_s = at_s
        return [events.speech_stopped(item.id, at_s), *self._committed(item)]

    def _committed(self, item: _Item) -> list[Message]:
        item.is_committed = True
        previous, self._last_committed = self._last_committed, item.id
        return events.committed(item.id, previous)

    def _completed(self, item: _Item) -> list[Message]:
        self._forget([item])
        if item.failure is not None:
            return [events.failed(item.id, item.failure)]
        return [
            events.completed(
                item.id,
                item.transcript.pieces,
                list(item.languages),
                item.duration_s,
                list(item.warnings),
                logprobs=self.logprobs,
            )
        ]

    def _forget(self, items: Iterable[_Item]) -> None:
        for item in items:
            self._open.remove(item)
            for utterance in [number for number, its in self._of_utterance.items() if its is item]:
                del self._of_utterance[utterance]
