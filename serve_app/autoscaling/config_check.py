"""What is wrong with the scaling that a Serve config asks for.

Serve would find out in its controller, which then scales nothing, or not at all.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from serve_app.autoscaling import policies
from serve_app.autoscaling.policies import StagePolicy
from serve_app.settings_section import problems_of

_POLICIES: Mapping[str, type[StagePolicy]] = {
    f"{policies.__name__}:{policy.__name__}": policy
    for policy in (policies.Connections, policies.Cpu, policies.Queue, policies.Batches)
}
_ZERO = ("upscale_delay_s", "downscale_delay_s")
_WITHOUT_EFFECT = ("target_ongoing_requests", "aggregation_function", "downscale_to_zero_delay_s")
_FACTORS = (
    "smoothing_factor",
    "upscaling_factor",
    "downscaling_factor",
    "upscale_smoothing_factor",
    "downscale_smoothing_factor",
)


def scaling_problems(deployment: str, autoscaling: Mapping[str, Any]) -> Iterator[str]:
    """Each with its place below ``autoscaling_config``; nothing about policies that are not ours.

    Args:
        deployment: its name.
        autoscaling: its ``autoscaling_config``.
    """
    chosen = autoscaling.get("policy")
    function = chosen.get("policy_function") if isinstance(chosen, dict) else None
    if not isinstance(chosen, dict) or not str(function).startswith(policies.__name__.rpartition(".")[0]):
        return
    policy = _POLICIES.get(str(function))
    if policy is None:
        near = difflib.get_close_matches(str(function), _POLICIES, n=1)
        yield f"policy.policy_function: there is no {function}" + (f" (did you mean {near[0]}?)" if near else "")
        return
    if not deployment.startswith(policy.stages):
        yield f"policy.policy_function: {function} is for {' and '.join(policy.stages)}, not for {deployment}"
    try:
        policy.scaling.model_validate(chosen.get("policy_kwargs") or {})
    except ValidationError as error:
        yield from problems_of(error, "policy.policy_kwargs")
    yield from _not_with_our_policies(autoscaling)


def _not_with_our_policies(autoscaling: Mapping[str, Any]) -> Iterator[str]:
    for name in _ZERO:
        if autoscaling.get(name) != 0:
            yield f"{name}: must be 0, since the policy waits by itself (up_after_s, down_after_s)"
    for name in _WITHOUT_EFFECT:
        if name in autoscaling:
            yield f"{name}: has no effect with this policy"
    for name in _FACTORS:
        if name in autoscaling:
            yield f"{name}: the policy says how many replicas there should be, not a part of the way"
    if autoscaling.get("min_replicas") == 0:
        yield "min_replicas: must be 1 or more, since replicas tell what the policy goes by"
