"""The forms that the dashboard's queries share."""

from __future__ import annotations

OURS = 'namespace=~"$namespace"'
"""Of one installation; where no Kubernetes is, series have no namespace, and ``.*`` takes them."""

# The service's application, and the Limiter's where it has its own (configs/kuberay-*.yaml).
_SERVE = f'{OURS}, application=~"rayscribe|rayscribe-limiter"'
_FAULTS = (
    "overloaded",
    "service_unavailable",
    "stage_lost",
    "deadline_exceeded",
    "engine_unavailable",
    "rayscribe_error",
    "internal_error",
)
OUR_FAULT = f'outcome=~"{"|".join(_FAULTS)}"'
"""What callers and their audio can do nothing about."""


def rate(name: str, by: str = "", more: str = "") -> str:
    """How much a counter of ours grows in a second, by labels."""
    return f"sum{_by(by)} (rate({_ours(name, more)}[$__rate_interval]))"


def increase(name: str, by: str) -> str:
    """How much a counter of ours grew within five minutes."""
    return f"sum{_by(by)} (increase({_ours(name)}[5m]))"


def quantile(share: float, name: str, by: str = "", more: str = "") -> str:
    """Of a histogram of ours."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, {rate(f'{name}_bucket', labels, more)})"


def level(name: str, by: str = "", more: str = "", how: str = "sum") -> str:
    """A gauge of ours over all processes; ``how`` is an aggregation."""
    return f"{how}{_by(by)} ({_ours(name, more)})"


def serve_level(name: str, how: str = "sum", by: str = "deployment") -> str:
    """A level of Ray Serve's."""
    return f"{how}{_by(by)} (ray_serve_{name}{{{_SERVE}}})"


def serve_rate(name: str, by: str) -> str:
    """How much a counter of Ray Serve's grows in a second."""
    return f"sum{_by(by)} (rate(ray_serve_{name}{{{_SERVE}}}[$__rate_interval]))"


def _by(labels: str) -> str:
    return f" by ({labels})" if labels else ""


def _ours(name: str, more: str = "") -> str:
    return f"ray_rayscribe_{name}{{{OURS}{', ' if more else ''}{more}}}"
