"""What every process of the service does before anything else."""

from __future__ import annotations

from deployments.service_log import leave_out_refusals
from deployments.trace_export import start_trace_export


def prepare_process() -> None:
    """Send spans away where the environment says so, and keep refusals from filling the log; once in a process.

    Raises:
        EngineUnavailable: see start_trace_export.
    """
    start_trace_export()
    leave_out_refusals()
