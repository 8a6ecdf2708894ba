"""What a prompt is good for, in files and in sessions alike. Pure.

It is a hint for a recogniser that can be biased, and context for the language model that polishes the text. Where a
service has neither, it is refused.
"""

from __future__ import annotations

from deployments.contracts import RefinementContext
from deployments.errors import FeatureNotInPlan, UnsupportedParameter
from serve_app.access.plans import Feature, Plan
from serve_app.settings import Settings


def context_of(prompt: str, parameter: str, plan: Plan, settings: Settings) -> RefinementContext | None:
    """The prompt for the language model, where there is one, and the plan includes it.

    Args:
        prompt: stripped; may be empty.
        parameter: what the dialect calls it, for the errors.
        plan: the caller's.
        settings: those that serve the model that the request names.

    Raises:
        UnsupportedParameter: nothing here can use the prompt.
        FeatureNotInPlan: others may give one.
    """
    if not prompt:
        return None
    if settings.refinement.llm is not None and Feature.REFINEMENT in plan.features:
        return RefinementContext(text=prompt)
    if settings.recognition.capabilities().biasing:
        return None
    if settings.refinement.llm is not None:
        raise FeatureNotInPlan(Feature.REFINEMENT.value, parameter)
    reason = f"the recogniser of the {settings.profile} profile takes none; keywords are for names and terms"
    raise UnsupportedParameter(parameter, reason)
