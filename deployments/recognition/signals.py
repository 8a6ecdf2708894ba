"""What the recogniser's batches tell about themselves."""

from __future__ import annotations

from collections.abc import Mapping

from deployments.memory_shortages import SHORTAGES
from deployments.recognition.batches import BatchReport, Priority
from deployments.signal_table import (
    BATCH_FAILURES,
    BATCH_ITEMS,
    BATCH_PADDED,
    MEMORY_SHORTAGES,
    RECOGNITION_BATCHES,
    RECOGNITION_QUEUED,
    STAGE_AUDIO,
    STAGE_BUSY,
    STAGE_QUEUE,
    STAGE_WORK,
)
from deployments.signals import Signals

_STAGE = "recognition"
_WORK: Mapping[Priority, str] = {
    Priority.LIVE: "live",
    Priority.LIVE_PARTIAL: "live_partial",
    Priority.FILE: "file",
}


class BatchSignals:
    """Implements BatchObserver: five records for a batch, and one for each of its windows."""

    def __init__(self, signals: Signals) -> None:
        self._signals = signals
        self.waiting(0.0, 0)

    def waiting(self, queued_s: float, running_batches: int) -> None:
        """See BatchObserver."""
        self._signals.set(RECOGNITION_QUEUED, queued_s)
        self._signals.set(RECOGNITION_BATCHES, running_batches)

    def ran(self, report: BatchReport) -> None:
        """See BatchObserver. Windows of a batch that failed are waiting again: they count when they have run alone."""
        signals, work = self._signals, _WORK[report.priority]
        signals.observe(STAGE_WORK, report.worked_s, stage=_STAGE, work=work)
        signals.count(STAGE_BUSY, report.worked_s, stage=_STAGE, work=work)
        signals.count(MEMORY_SHORTAGES, SHORTAGES.take(), stage=_STAGE)
        if report.failed:
            signals.count(BATCH_FAILURES, work=work)
            return
        signals.observe(BATCH_ITEMS, len(report.durations_s), work=work)
        signals.count(BATCH_PADDED, report.padded_s, work=work)
        signals.count(STAGE_AUDIO, sum(report.durations_s), stage=_STAGE, work=work)
        for waited_s in report.waits_s:
            signals.observe(STAGE_QUEUE, waited_s, stage=_STAGE, work=work)
