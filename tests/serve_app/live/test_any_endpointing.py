"""Whatever is heard and asked, in any order and however it is cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from serve_app.live.endpointing import (
    CloseCause,
    Endpointer,
    EndpointEvent,
    EndRevoked,
    LikelyEnd,
    SpeechOffset,
    SpeechOnset,
    UtteranceClosed,
    UtteranceOpened,
)
from tests.examples import examples
from tests.serve_app.live.endpointing_windows import SETTINGS, W, activity, windows

pytestmark = pytest.mark.unit

probabilities = st.lists(
    st.tuples(st.integers(1, 30), st.sampled_from([0.0, 0.2, 0.4, 0.6, 0.95])), min_size=1, max_size=12
).map(lambda runs: windows(*runs))


@given(probabilities, st.lists(st.integers(0, 300), max_size=8), st.booleans())
def test_where_the_windows_are_cut_does_not_matter(stream: list[float], cuts: list[int], ends: bool) -> None:
    changed = replace(SETTINGS, silence_ends_utterances=ends)
    endpointer = Endpointer(changed)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    events = []
    for first, last in pairwise(edges):
        events += endpointer.advance(activity(stream[first:last]))
    assert events == Endpointer(changed).advance(activity(stream))


class Conversation(RuleBasedStateMachine):
    """Whatever is heard and asked, in any order, the events tell one consistent story."""

    ends_utterances = True

    def __init__(self) -> None:
        super().__init__()
        self.endpointer = Endpointer(replace(SETTINGS, silence_ends_utterances=self.ends_utterances))
        self.now = self.received = 0
        self.speaking = False
        self.last_onset = self.last_edge = self.last_end = 0
        self.start: int | None = None
        self.likely: LikelyEnd | None = None

    @rule(stream=probabilities)
    def hear(self, stream: list[float]) -> None:
        for probability in stream:
            self.now += W
            self.received = max(self.received, self.now)
            self._check(self.endpointer.advance(activity([probability], [-30.0 - len(stream) % 7])))

    @rule(more=st.integers(0, W - 1))
    def finalize(self, more: int) -> None:
        had = self.start
        self.received = max(self.received, self.now + more)
        events = self.endpointer.finalize(self.received)
        self._check(events)
        assert (had is not None) == any(isinstance(event, UtteranceClosed) for event in events)
        assert not self.speaking or had is None

    @rule(more=st.integers(0, W - 1))
    def clear(self, more: int) -> None:
        self.start = self.likely = None
        self.received = max(self.received, self.now + more)
        self._check(self.endpointer.clear(self.received))
        self.last_end = self.received
        assert not self.speaking

    @precondition(lambda self: self.start is not None and self.start < self.now)
    @rule(data=st.data())
    def split(self, data: st.DataObject) -> None:
        assert self.start is not None
        self._check(self.endpointer.split(data.draw(st.integers(self.start + 1, self.now))))

    @invariant()
    def agrees(self) -> None:
        assert (self.endpointer.utterance_end is None) == (self.start is None)

    def _check(self, events: Sequence[EndpointEvent]) -> None:
        for event in events:
            if isinstance(event, SpeechOnset):
                assert not self.speaking
                assert self.last_edge <= event.at <= self.now
                self.speaking, self.last_edge = True, event.at
            elif isinstance(event, SpeechOffset):
                assert self.speaking
                assert self.last_edge <= event.at <= self.received
                self.speaking, self.last_edge = False, event.at
            elif isinstance(event, UtteranceOpened):
                assert self.start is None
                assert self.last_end <= event.start <= self.received
                self.start = event.start
            elif isinstance(event, LikelyEnd):
                assert self.likely is None
                assert event.start == self.start
                assert event.start <= event.end <= self.now
                self.likely = event
            elif isinstance(event, EndRevoked):
                assert self.likely is not None
                self.likely = None
            else:
                assert event.start == self.start
                assert event.start <= event.end <= self.received
                assert event.end - event.start <= SETTINGS.longest_s * 16_000 + W
                if event.cause is CloseCause.SILENCE:
                    assert self.ends_utterances
                if self.likely is not None and event.cause is not CloseCause.WORDS:
                    assert (event.start, event.end) == (self.likely.start, self.likely.end)
                self.start, self.likely, self.last_end = None, None, event.end


class PushToTalk(Conversation):
    ends_utterances = False


# Each step is some hundred windows: half a minute of audio.
Conversation.TestCase.settings = PushToTalk.TestCase.settings = settings(
    max_examples=examples(40), stateful_step_count=15
)

TestConversation = Conversation.TestCase
TestPushToTalk = PushToTalk.TestCase
