"""What this machine has of what Rayscribe needs: findings only, no drawing."""

from __future__ import annotations

import asyncio
import importlib.metadata
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from deployments.checkpoints.source import CheckpointSource, Origin
from deployments.errors import EngineUnavailable, RayscribeError
from deployments.processors import usable_processors
from serve_app.local_ray import object_store_bytes, shared_memory_free_bytes

if TYPE_CHECKING:
    from deployments.checkpoints.store import LocalCheckpoint
    from serve_app.settings import Settings

CONSTRAINTS = Path(__file__).resolve().parent.parent / "constraints.txt"
# Without its own dependencies (torch), so no metadata asks for it: the Makefile installs it by itself.
_ALSO_REQUIRED = ("silero-vad",)
_SUPPORTED_PYTHONS = ((3, 11), (3, 12))
# The embedded profile idle, with room for one long recording.
_WANTED_MEMORY_BYTES = 3 * 1024**3
_WANTED_SHARED_MEMORY_BYTES = 512 * 1024**2
_GIB = 1024**3


class Verdict(StrEnum):
    """OK; works with less (WARNING); does not work (FAILED)."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    area: str
    name: str
    verdict: Verdict
    detail: str


def examine(host: str | None = None, port: int | None = None, config: Path | None = None) -> Iterator[Finding]:
    """Everything there is to say, each finding as soon as it is there.

    Args:
        host: replaces the config's.
        port: replaces the config's.
        config: Serve config file of the service; None: the embedded profile's.
    """
    yield from check_python(sys.version_info[:2])
    yield from check_packages(CONSTRAINTS)
    yield from _check_machine()
    yield from _check_config_and_engines(host, port, config)


def check_python(version: tuple[int, int]) -> Iterator[Finding]:
    """Whether the interpreter is one that Rayscribe is tested with."""
    supported = version in _SUPPORTED_PYTHONS
    detail = sys.version.split()[0] if supported else f"{version[0]}.{version[1]}; needs 3.11 or 3.12"
    yield Finding("install", "python", Verdict.OK if supported else Verdict.FAILED, detail)


def check_packages(constraints: Path) -> Iterator[Finding]:
    """Installed versions against the pins: each package that Rayscribe names itself, and the rest in one line."""
    pins = read_pins(constraints) if constraints.is_file() else {}
    direct = sorted({*_required_names(), *_ALSO_REQUIRED})
    for name in direct:
        yield _check_package(name, pins.get(_canonical(name)))
    others = {name: pin for name, pin in pins.items() if name not in map(_canonical, direct)}
    installed = {name: version for name in others if (version := _installed_version(name)) is not None}
    different = [
        f"{name} {version} (pinned {others[name]})" for name, version in installed.items() if version != others[name]
    ]
    if different:
        yield Finding("install", "other packages", Verdict.WARNING, ", ".join(different))
    elif pins:
        yield Finding("install", "other packages", Verdict.OK, f"{len(installed)} as pinned")


def read_pins(constraints: Path) -> dict[str, str]:
    """``name==version`` lines as canonical name to version."""
    pins = {}
    for line in constraints.read_text(encoding="utf-8").splitlines():
        name, separator, version = line.partition("#")[0].strip().partition("==")
        if separator:
            pins[_canonical(name)] = version
    return pins


def _check_package(name: str, pin: str | None) -> Finding:
    version = _installed_version(name)
    if version is None:
        return Finding("install", name, Verdict.FAILED, f"not installed{f' (pinned {pin})' if pin else ''}")
    if pin is not None and version != pin:
        return Finding("install", name, Verdict.WARNING, f"{version}, but tested with {pin}")
    return Finding("install", name, Verdict.OK, version)


def _required_names() -> Iterator[str]:
    for requirement in importlib.metadata.requires("rayscribe") or ():
        if "extra ==" not in requirement and (match := re.match(r"[\w.-]+", requirement)):
            yield match.group()


def _installed_version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _canonical(name: str) -> str:
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _check_machine() -> Iterator[Finding]:
    yield Finding("machine", "processors", Verdict.OK, str(usable_processors()))
    memory = psutil.virtual_memory()
    yield check_memory(memory.total, memory.available)
    shared = shared_memory_free_bytes()
    if shared is not None:
        yield check_shared_memory(memory.total, shared)


def check_memory(total_bytes: int, available_bytes: int) -> Finding:
    """Whether the service fits beside what runs already."""
    verdict = Verdict.OK if available_bytes >= _WANTED_MEMORY_BYTES else Verdict.WARNING
    detail = f"{available_bytes / _GIB:.1f} of {total_bytes / _GIB:.1f} GiB free"
    if verdict is Verdict.WARNING:
        detail += f"; {_WANTED_MEMORY_BYTES / _GIB:.0f} GiB are comfortable"
    return Finding("machine", "memory", verdict, detail)


def check_shared_memory(total_memory_bytes: int, free_bytes: int) -> Finding:
    """Whether audio between the stages stays in memory."""
    store = object_store_bytes(total_memory_bytes, free_bytes)
    if free_bytes >= _WANTED_SHARED_MEMORY_BYTES:
        detail = f"{free_bytes / _GIB:.1f} GiB free, the object store takes {store / _GIB:.2f}"
        return Finding("machine", "/dev/shm", Verdict.OK, detail)  # noqa: S108 - a name to show
    detail = f"{free_bytes / _GIB:.2f} GiB free: long recordings go to the disk; in Docker give --shm-size=1g"
    return Finding("machine", "/dev/shm", Verdict.WARNING, detail)  # noqa: S108 - a name to show


def _check_config_and_engines(host: str | None, port: int | None, path: Path | None) -> Iterator[Finding]:
    from serve_app.engine_loaders import engine_loaders
    from serve_app.serve_config import DEFAULT_CONFIG, ConfigError, load_config, load_settings

    path = path or DEFAULT_CONFIG
    try:
        http = load_config(path, host=host, port=port).http_options
        settings = load_settings(path)
    except ConfigError as error:
        yield Finding("service", "config", Verdict.FAILED, str(error))
        return
    yield Finding("service", "config", Verdict.OK, path.name)
    yield check_port(http.host, http.port)
    yield check_way_in(settings, http.host)
    try:
        yield from check_checkpoints(settings)
    except EngineUnavailable as error:
        yield Finding("models", "checkpoints", Verdict.FAILED, str(error))
        return
    yield from check_engines(settings, engine_loaders(settings))


def check_checkpoints(settings: Settings) -> Iterator[Finding]:
    """Whether the checkpoints that the settings name are on this node; nothing is fetched."""
    cache = settings.checkpoint_cache()
    for source, found in _checkpoints(settings).values():
        if found is not None:
            detail = f"{found.size_bytes / 1e9:.2f} GB in {found.folder}"
            yield Finding("models", source.location, Verdict.OK, detail)
        else:
            yield _missing(source, is_fetched_at_start=not cache.offline)


def check_engines(settings: Settings, loaders: Mapping[str, Callable[[], object]]) -> Iterator[Finding]:
    """Whether the engines of the stages load; those whose checkpoint would have to be fetched for it are left."""
    checkpoints = _checkpoints(settings)
    for stage, load in loaders.items():
        if stage in checkpoints and checkpoints[stage][1] is None:
            yield Finding("engines", stage, Verdict.WARNING, "not loaded: its checkpoint is not here")
        else:
            yield check_engine(stage, load)


def _checkpoints(settings: Settings) -> dict[str, tuple[CheckpointSource, LocalCheckpoint | None]]:
    from deployments.checkpoints.fetching import find
    from serve_app.checkpoints import named_checkpoints

    cache = settings.checkpoint_cache()
    return {named.stage: (named.source, find(named.source, cache)) for named in named_checkpoints(settings)}


def _missing(source: CheckpointSource, *, is_fetched_at_start: bool) -> Finding:
    if source.origin is Origin.FOLDER:
        return Finding("models", source.location, Verdict.FAILED, "there are no files in this folder")
    how = "`rayscribe models pull` with this config fetches it"
    if is_fetched_at_start:
        return Finding("models", source.location, Verdict.WARNING, f"not on this node: {how}, or else the first start")
    return Finding("models", source.location, Verdict.FAILED, f"not on this node, and models.offline is set: {how}")


def check_port(host: str, port: int) -> Finding:
    """Free, or taken by a Rayscribe that runs, or by something else."""
    import httpx

    from serve_app.launcher import LaunchError, base_url, check_port_free

    name = f"port {port}"
    try:
        check_port_free(host, port)
    except LaunchError as error:
        url = base_url(host, port)
        try:
            health = httpx.get(f"{url}/health", timeout=3.0, trust_env=False).json()
            return Finding("service", name, Verdict.OK, f"Rayscribe is there already: {health['status']}")
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return Finding("service", name, Verdict.WARNING, str(error))
    return Finding("service", name, Verdict.OK, f"free on {host}")


def check_way_in(settings: Settings, host: str) -> Finding:
    """Whether the database answers, and anybody may use a service that listens on host; nothing is changed."""
    from serve_app.opening import look_at_way_in
    from serve_app.storage.database import Schema

    try:
        schema = asyncio.run(look_at_way_in(settings, host))
    # A folder that cannot be made, or a kind of database that there is not, is found before it is asked.
    except (RayscribeError, OSError, ValueError) as error:
        return Finding("service", "database and keys", Verdict.FAILED, str(error))
    details = {
        Schema.CURRENT: (Verdict.OK, "it answers, and callers have a way in"),
        Schema.MISSING: (Verdict.OK, "made by the first start; no keys are needed"),
        Schema.OLDER: (Verdict.WARNING, "of an older Rayscribe: the next start brings it up to date; back it up first"),
    }
    return Finding("service", "database and keys", *details[schema])


def check_engine(name: str, load: Callable[[], object]) -> Finding:
    """Load an engine, whatever that raises."""
    started_s = time.monotonic()
    before_bytes = psutil.Process().memory_info().rss
    try:
        load()
    except Exception as error:
        return Finding("engines", name, Verdict.FAILED, f"{type(error).__name__}: {error}")
    took_s = time.monotonic() - started_s
    grown_mb = max(0, psutil.Process().memory_info().rss - before_bytes) / 1e6
    return Finding("engines", name, Verdict.OK, f"loads in {took_s:.1f} s, {grown_mb:.0f} MB")
