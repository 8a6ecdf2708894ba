"""Read a Serve config file, strictly.

Serve drops keys that it does not know, at every level: ``max_ongoing_request: 3`` is accepted and does nothing. Here
such a key is an error that names its place.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from serve_app.applications import limiter_problems, placed_deployments, service_application
from serve_app.autoscaling.config_check import scaling_problems
from serve_app.settings_section import problems_of

if TYPE_CHECKING:
    from ray.serve.schema import ServeDeploySchema

    from serve_app.settings import Settings

DEFAULT_CONFIG = Path(__file__).resolve().parent.parent / "configs" / "embedded.yaml"
"""The embedded profile, beside the package in a checkout."""


class ConfigError(Exception):
    """The config file cannot be used; the message says where and why."""


def load_config(path: Path, *, host: str | None = None, port: int | None = None) -> ServeDeploySchema:
    """Read and check a config file; host and port replace those of ``http_options``.

    Raises:
        ConfigError: the file is missing, is not YAML, or is not a Serve config.
    """
    from ray.serve.schema import ServeDeploySchema

    config = _read_yaml(path)
    overrides = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    if overrides:
        config["http_options"] = {**(config.get("http_options") or {}), **overrides}
    problems = [
        *unknown_keys(config, ServeDeploySchema),
        *limiter_problems(config["applications"]),
        *_wrong_scaling(config),
    ]
    if not problems:
        try:
            return ServeDeploySchema.model_validate(config)
        except ValidationError as error:
            problems = problems_of(error)
    raise _invalid(path, problems)


def load_settings(path: Path) -> Settings:
    """Our own part of a config file, ``args`` of the service's application; without Ray, which takes long to import.

    Raises:
        ConfigError: the file is missing, is not YAML, or these settings are wrong.
    """
    from serve_app.settings import Settings

    service = service_application(_read_yaml(path)["applications"])
    if not isinstance(service, dict):
        raise _invalid(path, ["applications: not a list of mappings"])
    try:
        return Settings.model_validate(service.get("args") or {})
    except ValidationError as error:
        problems = problems_of(error, "applications[0].args")
    raise _invalid(path, problems)


def _invalid(path: Path, problems: list[str]) -> ConfigError:
    return ConfigError("\n".join([f"{path} is not a valid config:", *(f"  {problem}" for problem in problems)]))


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"Cannot read the config file {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error
    if not isinstance(content, dict) or not content.get("applications"):
        raise ConfigError(f"{path} is not a Serve config: it lists no applications")
    if not isinstance(content["applications"], list):
        raise _invalid(path, ["applications: not a list of mappings"])
    return content


def unknown_keys(value: Any, annotation: Any, path: str = "") -> Iterator[str]:
    """Every key in value that the pydantic types of annotation do not name, with its path and the nearest known key.

    Free-form dictionaries (``args``, ``user_config``, ``runtime_env``) belong to others and are not looked into.
    """
    for option in _alternatives(annotation):
        if isinstance(value, dict) and isinstance(option, type) and issubclass(option, BaseModel):
            yield from _unknown_in_model(value, option, path)
            return
        if isinstance(value, list) and get_origin(option) is list:
            for index, item in enumerate(value):
                yield from unknown_keys(item, get_args(option)[0], f"{path}[{index}]")
            return


def _wrong_scaling(config: dict[str, Any]) -> Iterator[str]:
    for path, deployment in placed_deployments(config["applications"]):
        autoscaling = deployment.get("autoscaling_config")
        if isinstance(autoscaling, dict):
            for problem in scaling_problems(str(deployment.get("name")), autoscaling):
                yield f"{path}.autoscaling_config.{problem}"


def _unknown_in_model(value: dict[Any, Any], model: type[BaseModel], path: str) -> Iterator[str]:
    for key, item in value.items():
        key_path = f"{path}.{key}" if path else str(key)
        if key in model.model_fields:
            yield from unknown_keys(item, model.model_fields[key].annotation, key_path)
        else:
            near = difflib.get_close_matches(str(key), model.model_fields, n=1)
            yield f"{key_path}: unknown key" + (f" (did you mean {near[0]}?)" if near else "")


def _alternatives(annotation: Any) -> Iterator[Any]:
    """Members of a union, models before the plain dict that Serve's types also allow."""
    members = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    return (member for member in members if member is not NoneType)
