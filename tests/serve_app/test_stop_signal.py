from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from serve_app.stop_signal import SIGNALS, StopSignal

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def taken_signals() -> Iterator[None]:
    """A runner under nohup, or in a shell's background, has signals ignored, which StopSignal would respect."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def _send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_is_noted_and_every_later_one_forces(number: signal.Signals) -> None:
    events: list[object] = []
    with StopSignal(lambda number: events.append(("first", number)), events.append) as stop:
        assert not stop.wait(0.0)
        _send(number)
        assert stop.wait(10)
        assert events == [("first", number)]
        _send(number)
        _send(number)
        assert events == [("first", number), number, number]


def test_a_signal_ends_a_wait_that_has_begun() -> None:
    with StopSignal(lambda _: None, lambda _: None) as stop:
        timer = threading.Timer(0.05, _send, [signal.SIGTERM])
        timer.start()
        assert stop.wait(10)
        timer.join()


def test_signals_are_taken_again_after_somebody_else_took_them_and_given_back_at_the_end() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with StopSignal(lambda _: None, lambda _: None) as stop:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        stop.install()
        _send(signal.SIGTERM)
        assert stop.wait(0.0)
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_what_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopSignal(lambda _: None, lambda _: None) as stop:
            _send(signal.SIGHUP)
            assert not stop.wait(0.0)
    finally:
        signal.signal(signal.SIGHUP, before)
