"""From options to a polisher. Nothing heavy is imported before a model is asked for."""

from __future__ import annotations

from deployments.refinement.polish.measured import UNOBSERVED, MeasuredModel, ModelObserver
from deployments.refinement.polish.model import LanguageModel
from deployments.refinement.polish.options import CheckpointOptions, EndpointOptions, LanguageModelOptions
from deployments.refinement.polish.polisher import Polisher, PolishLimits


def load_polisher(options: LanguageModelOptions, observer: ModelObserver = UNOBSERVED) -> Polisher:
    """A polisher with its model; a checkpoint takes seconds to minutes. ``observer`` is told of its answers.

    Raises:
        EngineUnavailable: a package, a key or a file is missing.
    """
    limits = PolishLimits(options.timeout_s, options.max_tokens, options.max_edit_rate)
    return Polisher(MeasuredModel(_load_model(options.source, observer), observer), limits)


def _load_model(source: EndpointOptions | CheckpointOptions, observer: ModelObserver) -> LanguageModel:
    if isinstance(source, EndpointOptions):
        from deployments.refinement.polish.endpoint import EndpointModel

        return EndpointModel(source, observer=observer)
    from deployments.refinement.polish.checkpoint import CheckpointModel

    return CheckpointModel(source)
