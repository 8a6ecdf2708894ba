"""What a stage tells about its engine's calls: to the metrics, and on the span of the call."""

from __future__ import annotations

from deployments.memory_shortages import SHORTAGES
from deployments.signal_table import MEMORY_SHORTAGES, STAGE_BUSY, STAGE_QUEUE, STAGE_WORK
from deployments.signals import Signals, WorkObserver
from deployments.tracing import annotate


def stage_times(signals: Signals, stage: str, work: str) -> WorkObserver:
    """For EngineThreads: how long calls wait, and how long they take."""

    def observe(waited_s: float, worked_s: float) -> None:
        signals.observe(STAGE_QUEUE, waited_s, stage=stage, work=work)
        signals.observe(STAGE_WORK, worked_s, stage=stage, work=work)
        signals.count(STAGE_BUSY, worked_s, stage=stage, work=work)
        annotate(queue_s=waited_s, work_s=worked_s)
        signals.count(MEMORY_SHORTAGES, SHORTAGES.take(), stage=stage)

    return observe
