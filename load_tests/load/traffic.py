"""What all callers of a run share: what there is to send, which step is on, and what became of each call."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

from load_tests.live_latency import latencies_of
from load_tests.load.calls import FileCaller
from load_tests.load.conversations import conversation
from load_tests.load.material import Material
from load_tests.load.observations import FileCall, LiveCall, Outcome
from load_tests.load.plan import Deck, Plan
from load_tests.load.steps import Steps
from load_tests.load.talk import resampled, talk

_PAUSE_S = 1.0
"""Behind a call that was refused or failed: a client that comes back at once would do nothing but be refused."""
_LONGEST_PAUSE_S = 30.0


class Traffic:
    """Makes calls and hands on what became of them. Its methods are called by many callers at once."""

    def __init__(
        self,
        server: str,
        plan: Plan,
        material: Material,
        file_caller: FileCaller,
        report: Callable[[FileCall | LiveCall], None],
    ) -> None:
        """The clock of the run starts now."""
        rng = random.Random(plan.seed)
        self.plan = plan
        self.steps = Steps(plan.levels, plan.step_s)
        self.in_flight = 0
        self.is_interrupted = False
        self._server = server
        self._report = report
        self._file_caller = file_caller
        self._apis = Deck(list(plan.files.items()), rng) if plan.files else None
        self._lengths = Deck(
            [(Deck([(one, 1) for one in batch.uploads], rng), batch.weight) for batch in material.batches], rng
        )
        self._callers = Deck([(caller, caller.weight) for caller in plan.callers], rng)
        self._live_apis = Deck(list(plan.live.items()), rng) if plan.live else None
        self._speeches = Deck([(speech, 1) for speech in material.speeches], rng) if material.speeches else None
        self._began_s = time.perf_counter()
        self._lock = threading.Lock()

    @property
    def now_s(self) -> float:
        """Since the start of the run."""
        return time.perf_counter() - self._began_s

    @property
    def is_open(self) -> bool:
        """Whether new calls may be made."""
        return self.steps.is_open(self.now_s)

    def tick(self) -> float | None:
        """The level that should be on now; None at the end of the run, or when it was interrupted."""
        return None if self.is_interrupted else self.steps.tick(self.now_s, self.in_flight)

    def call(self, due_s: float | None = None) -> float:
        """Send the next recording and report what became of it.

        Args:
            due_s: when it should have been sent; None: now.

        Returns:
            How long its caller should wait before the next one: 0 where it was done.
        """
        if self._apis is None:
            raise ValueError("there is no API to call")
        with self._lock:
            api, caller = self._apis.deal(), self._callers.deal()
            upload = self._lengths.deal().deal()
            step = len(self.steps.begun) - 1
            self.in_flight += 1
        try:
            sent_s = self.now_s
            answer = self._file_caller.call(api, upload, caller)
            call = FileCall(
                step,
                api,
                caller.name,
                upload.length,
                upload.duration_s,
                sent_s if due_s is None else due_s,
                sent_s,
                self.now_s,
                answer.outcome,
                answer.reason,
                None if answer.accepted_s is None else answer.accepted_s - self._began_s,
                answer.has_text,
            )
            self._report(call)
        finally:
            self._landed()
        return self._pause_s(call.outcome, answer.retry_after_s)

    def leave_out(self, due_s: float, reason: str) -> None:
        """Report a call that was due and is not made."""
        if self._apis is None:
            raise ValueError("there is no API to call")
        with self._lock:
            api, caller = self._apis.deal(), self._callers.deal()
            upload = self._lengths.deal().deal()
        step, now_s = len(self.steps.begun) - 1, self.now_s
        length, audio_s, outcome = upload.length, upload.duration_s, Outcome.FAILED
        self._report(FileCall(step, api, caller.name, length, audio_s, due_s, now_s, now_s, outcome, reason))

    def speak(self) -> float:
        """Have the next session of a socket, cut short where the step closes. Returns what call does."""
        if self._live_apis is None or self._speeches is None:
            raise ValueError("there is no socket to speak into")
        with self._lock:
            api, caller, speech = self._live_apis.deal(), self._callers.deal(), self._speeches.deal()
            step = len(self.steps.begun) - 1
            self.in_flight += 1
        try:
            dialect, began_s = conversation(api), self.now_s
            pcm = resampled(speech, dialect.rate_hz)
            said = talk(self._server, caller, dialect, pcm, self.plan.timeout_s, lambda: not self.is_open)
            ended_s, heard = self.now_s, latencies_of(speech, said.log)
            self._report(
                LiveCall(step, api, caller.name, said.audio_s, began_s, ended_s, said.outcome, said.reason, heard)
            )
        finally:
            self._landed()
        return self._pause_s(said.outcome, said.retry_after_s)

    def _landed(self) -> None:
        with self._lock:
            self.in_flight -= 1

    def _pause_s(self, outcome: Outcome, retry_after_s: float | None) -> float:
        if outcome is Outcome.DONE:
            return 0.0
        if self.plan.keeps_retry_after and retry_after_s is not None:
            return min(retry_after_s, _LONGEST_PAUSE_S)
        return _PAUSE_S
