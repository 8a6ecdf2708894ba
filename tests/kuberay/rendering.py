"""The part of kustomize that kuberay/ uses, so that the manifests can be tested where there is no kubectl.

Where there is one, test_rendering.py compares. What is not known here is an error, not left out.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]

ROOT = Path(__file__).parents[2]
KUBERAY = ROOT / "kuberay"
OVERLAYS = ("cpu", "gpu")

_LOCAL = "config.kubernetes.io/local-config"


def rendered(overlay: str) -> list[Object]:
    """What `kubectl apply -k kuberay/overlays/…` would apply."""
    objects = _built(KUBERAY / "overlays" / overlay, [])
    return [found for found in objects if found["metadata"].get("annotations", {}).get(_LOCAL) != "true"]


def with_component(name: str, objects: list[Object]) -> list[Object]:
    """What would be applied if the overlay had a further component."""
    return _built(KUBERAY / "components" / name, copy.deepcopy(objects))


def _built(folder: Path, objects: list[Object]) -> list[Object]:
    """The objects after the folder's kustomization; those given are what a component works on."""
    plan = _kustomization(folder)
    options = plan.pop("generatorOptions", {})
    for entry in plan.pop("resources", []):
        path = folder / entry
        objects = [*objects, *(_built(path, []) if path.is_dir() else yaml.safe_load_all(path.read_text()))]
    for entry in plan.pop("components", []):
        objects = _built(folder / entry, objects)
    for generator in plan.pop("configMapGenerator", []):
        objects = [*objects, _config_map(folder, generator, options)]
    for patch in plan.pop("patches", []):
        for operation in yaml.safe_load((folder / patch["path"]).read_text()):
            _patch(_one(objects, patch["target"]), operation)
    for replacement in plan.pop("replacements", []):
        _replace(objects, replacement)
    images = {image["name"]: image for image in plan.pop("images", [])}
    for container in _containers(objects):
        if image := images.get(container["image"]):
            container["image"] = f"{image['newName']}:{image['newTag']}"
    assert plan.keys() == {"apiVersion", "kind"}, plan.keys()
    return objects


def _kustomization(folder: Path) -> dict[str, Any]:
    (path,) = (found for name in ("kustomization.yaml", "Kustomization") if (found := folder / name).exists())
    return dict(yaml.safe_load(path.read_text()))


def _config_map(folder: Path, generator: dict[str, Any], common: dict[str, Any]) -> Object:
    options = common | generator.get("options", {})
    assert options.pop("disableNameSuffixHash") is True
    assert options.keys() <= {"annotations", "labels"}, options.keys()
    files = (entry.split("=") if "=" in entry else (entry, entry) for entry in generator["files"])
    data = {key: (folder / path).read_text() for key, path in files}
    metadata = {"name": generator["name"], **{name: dict(values) for name, values in options.items()}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def _one(objects: list[Object], target: dict[str, str]) -> Object:
    (found,) = (o for o in objects if (o["kind"], o["metadata"]["name"]) == (target["kind"], target["name"]))
    return found


def _patch(target: Any, operation: dict[str, Any]) -> None:
    """RFC 6902, of which ``add`` at the end of a list, ``add`` of a key and ``replace`` are used."""
    *parents, last = operation["path"].lstrip("/").split("/")
    for name in parents:
        target = target[int(name)] if isinstance(target, list) else target[name]
    value = copy.deepcopy(operation["value"])
    match operation["op"], target:
        case "add", list() if last == "-":
            target.append(value)
        case ("add", dict()) | ("replace", dict()):
            assert operation["op"] == "add" or last in target, operation["path"]
            target[last] = value
        case _:
            raise AssertionError(operation)


def _replace(objects: list[Object], replacement: dict[str, Any]) -> None:
    source = replacement["source"]
    value = _one(objects, source)
    for name in _names(source["fieldPath"]):
        value = value[name]
    for target in replacement["targets"]:
        for path in target["fieldPaths"]:
            holder = _one(objects, target["select"])
            *parents, last = _names(path)
            for name in parents:
                holder = holder[name]
            assert last in holder, path
            holder[last] = value


def _names(path: str) -> list[str]:
    """``data.[serve.yaml]`` is two names."""
    if path.endswith("]"):
        before, last = path[:-1].split(".[")
        return [*before.split("."), last]
    return path.split(".")


def _containers(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from item if name in ("containers", "initContainers") else _containers(item)
    elif isinstance(value, list):
        for item in value:
            yield from _containers(item)
