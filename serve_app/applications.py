"""The applications of a Serve config file: the service's is the first, and the Limiter may have one of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from serve_app.settings_section import problems_of

if TYPE_CHECKING:
    from serve_app.settings import AccessSettings

Application = TypeVar("Application")

LIMITER_PATH = "serve_app.builder:build_limiter"
"""The ``import_path`` of an application of the Limiter alone."""

_LIMITER = "Limiter"
# What Serve calls an application without a name.
_UNNAMED = "default"


def service_application(applications: Sequence[Application]) -> Application:
    """That of the service: its ``args`` are our settings, and its ingress is who callers talk to."""
    return applications[0]


def placed_deployments(applications: Sequence[Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """All that are written as they should be, with their places."""
    for number, application in enumerate(applications):
        deployments = application.get("deployments") if isinstance(application, dict) else None
        for index, deployment in enumerate(deployments if isinstance(deployments, list) else ()):
            if isinstance(deployment, dict):
                yield f"applications[{number}].deployments[{index}]", deployment


def limiter_problems(applications: Sequence[Any]) -> Iterator[str]:
    """What is wrong with where the Limiter is, each with its place in the file.

    Two of them would each allow every user all of the plan, and without one nobody who has a limit is admitted.

    Args:
        applications: as they are written in the file, right or wrong.
    """
    for place, deployment in placed_deployments(applications):
        if deployment.get("name") == _LIMITER and _may_have_another_replica(deployment):
            yield f"{place}: there must be one replica of the Limiter, and never two for a while"
    written = {number: one for number, one in enumerate(applications) if isinstance(one, dict)}
    if 0 not in written:
        return
    homes = {number: one for number, one in written.items() if one.get("import_path") == LIMITER_PATH}
    access = _access(service_application(applications))
    if 0 in homes:
        yield "applications[0]: the application of the service must be the first, and this is the Limiter's"
    elif access is not None:
        yield from _wrong_home(access, written, homes)


def _wrong_home(access: AccessSettings, written: Mapping[int, Any], homes: Mapping[int, Any]) -> Iterator[str]:
    """``homes`` are those of the applications as written that have a Limiter alone."""
    place, named = "applications[0].args.access.limiter_application", access.limiter_application
    for number, home in homes.items():
        if named is None:
            yield f"applications[{number}]: this is a second Limiter, unless {place} names it"
        elif _name(home) != named:
            yield f"applications[{number}]: nobody would ask this Limiter, since {place} is {named}"
        else:
            yield from _wrong_settings(f"applications[{number}].args", home.get("args"), access)
    if named is None:
        return
    if named not in map(_name, written.values()):
        yield f"{place}: there is no application {named} in this file"
    elif named not in map(_name, homes.values()):
        yield f"{place}: the application {named} has no Limiter: its import_path is not {LIMITER_PATH}"
    for its_place, deployment in placed_deployments([written[0]]):
        if deployment.get("name") == _LIMITER:
            yield f"{its_place}: the Limiter is in the application {named}, by {place}"


def _wrong_settings(place: str, args: Any, access: AccessSettings) -> Iterator[str]:
    from serve_app.settings import LimiterSettings

    try:
        lease_ttl_s = LimiterSettings.model_validate(args or {}).lease_ttl_s
    except ValidationError as error:
        yield from problems_of(error, place)
        return
    if lease_ttl_s != access.lease_ttl_s:
        # A holder that is believed for longer than it believes itself blocks places; for less, loses them.
        yield f"{place}.lease_ttl_s: {lease_ttl_s}, but applications[0].args.access.lease_ttl_s is {access.lease_ttl_s}"


def _may_have_another_replica(deployment: Mapping[str, Any]) -> bool:
    scales = "autoscaling_config" in deployment or deployment.get("num_replicas", 1) != 1
    return scales or deployment.get("max_surge_percent", 0) != 0


def _access(service: Mapping[str, Any]) -> AccessSettings | None:
    """None where the settings are not ours or wrong, which whoever reads them says."""
    from serve_app.settings import AccessSettings

    args = service.get("args") or {}
    try:
        return AccessSettings.model_validate(args.get("access") or {}) if isinstance(args, dict) else None
    except ValidationError:
        return None


def _name(application: Mapping[str, Any]) -> Any:
    return application.get("name", _UNNAMED)
