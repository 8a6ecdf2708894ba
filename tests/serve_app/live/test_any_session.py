"""Whatever a client does, in whatever order."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from deployments.errors import IllegalMove
from serve_app.live.contracts import Final, SessionEnded
from tests.examples import examples
from tests.fakes.live_audio import ScriptedHearing, silence, speech
from tests.fakes.live_bench import LiveBench, check_order
from tests.fakes.virtual_time import VirtualTimeLoop

pytestmark = pytest.mark.unit


class AnySession(RuleBasedStateMachine):
    """Random audio and calls in virtual time; what a session promises is checked when it is over."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=VirtualTimeLoop)
        self.stack = contextlib.AsyncExitStack()
        self.is_open = True
        self.finalizes = 0
        self.audio_s = 0.0

    @initialize(partial_s=st.sampled_from([0.01, 0.3, 2.0]), final_s=st.sampled_from([0.01, 0.4, 3.0]))
    def open(self, partial_s: float, final_s: float) -> None:
        self.bench = LiveBench(hearing=ScriptedHearing(partial_s=partial_s, final_s=final_s))
        self.do(self.stack.enter_async_context(self.bench.open()))

    def do(self, work: Coroutine[Any, Any, Any]) -> None:
        self.runner.run(work)

    @precondition(lambda self: self.is_open)
    @rule(tenths=st.integers(1, 30), is_speech=st.booleans(), at_once=st.booleans())
    def feed(self, tenths: int, is_speech: bool, at_once: bool) -> None:
        data = (speech if is_speech else silence)(tenths / 10)
        self.audio_s += tenths / 10
        self.do(self.bench.play(data, message_s=tenths / 10 if at_once else 0.1))

    @precondition(lambda self: self.is_open)
    @rule()
    def finalize(self) -> None:
        self.finalizes += 1
        self.do(self.bench.session.finalize())

    @precondition(lambda self: self.is_open)
    @rule()
    def clear(self) -> None:
        self.do(self.bench.session.clear())

    @rule(seconds=st.sampled_from([0.0, 0.01, 0.3, 2.0]))
    def wait(self, seconds: float) -> None:
        self.do(asyncio.sleep(seconds))

    @precondition(lambda self: self.is_open)
    @rule()
    def close(self) -> None:
        self.is_open = False
        self.do(self.bench.session.close())

    @precondition(lambda self: not self.is_open)
    @rule()
    def go_on_behind_close(self) -> None:
        with pytest.raises(IllegalMove):
            self.do(self.bench.session.feed(speech(1)))

    def teardown(self) -> None:
        if not hasattr(self, "bench"):
            self.runner.close()
            return
        bench = self.bench
        try:
            if not self.is_open:
                self.do(bench.ended())
                ended = bench.events[-1]
                assert isinstance(ended, SessionEnded)
                assert ended.audio_s == pytest.approx(self.audio_s)
                assert ended.billable_s == (ended.audio_s if any(bench.texts()) else 0.0)
                assert bench.settled == [ended]
                assert sum(final.from_finalize for final in bench.said(Final)) == self.finalizes
            assert bench.error is None
            check_order(bench.events)
            self.do(self.stack.aclose())
            assert bench.hearing.running == 0
            assert bench.settled == bench.said(SessionEnded)
        finally:
            self.runner.close()


AnySession.TestCase.settings = settings(max_examples=examples(60), stateful_step_count=25, deadline=None)
TestAnySession = AnySession.TestCase
