"""An event loop whose clock jumps to the next timer, so that tests of timers take no time and always run alike."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from typing import Any


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.threads_at_work = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self.threads_at_work:
            # Real work is under way in a thread: time stands still until it is done.
            return super().select(0.001)
        if timeout is not None and timeout > 0:
            self.now_s += timeout
        return super().select(0 if timeout is None or timeout > 0 else timeout)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """``asyncio.sleep(3600)`` returns at once, and ``loop.time()`` is an hour later."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now_s

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]  # the base class is generic in its arguments
        self._jumping.threads_at_work += 1
        future = super().run_in_executor(executor, func, *args)

        def done(_: asyncio.Future[Any]) -> None:
            self._jumping.threads_at_work -= 1

        future.add_done_callback(done)
        return future


def run_virtually(main: Callable[[], Any]) -> Any:
    """Run an async function to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main())


def virtually(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """A test whose timers take no time."""

    def run() -> None:
        run_virtually(test)

    run.__name__ = test.__name__
    return run
