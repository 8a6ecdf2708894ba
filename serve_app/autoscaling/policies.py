"""The policies under the names that a Serve config gives (``autoscaling_config.policy.policy_function``).

Serve pickles the class that is named by its value and everything else by name, so that Rayscribe must be installed
where the Serve controller runs: in the image of all nodes, not in a ``working_dir``.
"""

from __future__ import annotations

from typing import Any, ClassVar

from serve_app.autoscaling.readings import Readings
from serve_app.autoscaling.scaling import BatchScaling, ConnectionScaling, CpuScaling, QueueScaling, Scaling
from serve_app.autoscaling.watch import QUIET, decide

_WATCH = "rayscribe_watch"


class StagePolicy:
    """A policy as Serve's controller calls it, ten times a second, with an AutoscalingContext.

    It must not raise there: the controller would scale and repair nothing else of the application.
    """

    scaling: ClassVar[type[Scaling]]
    """The parameters that ``policy_kwargs`` are."""

    stages: ClassVar[tuple[str, ...]]
    """Beginnings of the names of deployments that tell what this policy goes by."""

    def __init__(self, **parameters: Any) -> None:
        self._scaling = self.scaling(**parameters)

    def __call__(self, context: Any) -> tuple[int, dict[str, Any]]:
        """The number of replicas that there should be, and what to remember."""
        told = context.raw_metrics or {}
        series = {
            name: [[(sample.timestamp, sample.value) for sample in one] for one in of_replicas.values()]
            for name, of_replicas in told.items()
        }
        readings = Readings(series, context.total_queued_requests or 0.0)
        target = context.target_num_replicas
        if readings.is_empty:
            # Right after a start, of the stage or of the controller.
            return target, {_WATCH: QUIET}
        asked, most = self._scaling.band(readings), context.capacity_adjusted_max_replicas
        band = asked.within(context.capacity_adjusted_min_replicas, most)
        watch = context.policy_state.get(_WATCH, QUIET)
        wanted, watch = decide(band, target, context.current_time, watch, self._scaling.patience)
        if wanted == most:
            # Serve keeps to its bound itself, and its metric of desired replicas tells what is asked for beyond it.
            wanted = max(most, asked.fewest)
        return wanted, {_WATCH: watch}


class Connections(StagePolicy):
    """See ConnectionScaling."""

    scaling = ConnectionScaling
    stages = ("Ingress",)


class Cpu(StagePolicy):
    """See CpuScaling."""

    scaling = CpuScaling
    stages = ("Decoder", "SpeechGate")


class Queue(StagePolicy):
    """See QueueScaling."""

    scaling = QueueScaling
    stages = ("LanguageIdentifier", "Diarizer")


class Batches(StagePolicy):
    """See BatchScaling."""

    scaling = BatchScaling
    stages = ("Recognizer",)
