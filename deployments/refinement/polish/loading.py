"""From options to a polisher. Nothing heavy is imported before a model is asked for."""

from __future__ import annotations

from deployments.refinement.polish.measured import AnswerObserver, MeasuredModel, unobserved
from deployments.refinement.polish.model import LanguageModel
from deployments.refinement.polish.options import CheckpointOptions, EndpointOptions, LanguageModelOptions
from deployments.refinement.polish.polisher import Polisher, PolishLimits


def load_polisher(options: LanguageModelOptions, observe: AnswerObserver = unobserved) -> Polisher:
    """A polisher with its model; a checkpoint takes seconds to minutes. ``observe`` is told of the model's answers.

    Raises:
        EngineUnavailable: a package, a key or a file is missing.
    """
    limits = PolishLimits(options.timeout_s, options.max_tokens, options.max_edit_rate)
    return Polisher(MeasuredModel(_load_model(options.source), observe), limits)


def _load_model(source: EndpointOptions | CheckpointOptions) -> LanguageModel:
    if isinstance(source, EndpointOptions):
        from deployments.refinement.polish.endpoint import EndpointModel

        return EndpointModel(source)
    from deployments.refinement.polish.checkpoint import CheckpointModel

    return CheckpointModel(source)
