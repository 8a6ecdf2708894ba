"""The images have the Ray that constraints.txt pins, and so do the manifests."""

import re

import pytest
import yaml

from serve_app import __version__
from tests.kuberay.manifests import cluster, containers, pod_templates
from tests.kuberay.rendering import KUBERAY, ROOT, Object

pytestmark = pytest.mark.unit

_DOCKERFILE = (KUBERAY / "image" / "Dockerfile").read_text()


def _pinned_ray() -> str:
    (version,) = re.findall(r"^ray==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    return str(version)


def test_ray_is_the_pinned_one(objects: list[Object]) -> None:
    assert re.findall(r"^ARG RAY_VERSION=(\S+)$", _DOCKERFILE, re.MULTILINE) == [_pinned_ray()]
    assert cluster(objects)["rayVersion"] == _pinned_ray()
    readme = (KUBERAY / "README.md").read_text()
    assert f"Ray {_pinned_ray()}" in readme


def test_all_images_have_the_same_base() -> None:
    assert re.findall(r"^FROM (\S+)", _DOCKERFILE, re.MULTILINE) == [
        "rayproject/ray:${RAY_VERSION}-py311-cpu",
        "installed",
        "installed",
    ]


def test_the_images_have_what_the_manifests_name(objects: list[Object]) -> None:
    targets = set(re.findall(r"^FROM \S+ AS (\S+)$", _DOCKERFILE, re.MULTILINE))
    for name, template in pod_templates(objects):
        for container in containers(template):
            image, tag = container["image"].rsplit(":", 1)
            assert tag != "latest"
            if image.endswith("/rayscribe"):
                version, target = tag.rsplit("-", 1)
                assert version == __version__
                assert target in targets
                assert target == ("gpu" if name.startswith("gpu-") or name == "Job/rayscribe-models" else "cpu")
            else:
                assert image in ("postgres", "valkey/valkey"), name


def test_what_the_dockerfile_copies_is_let_through() -> None:
    ignored, *let_through = (KUBERAY / "image" / "Dockerfile.dockerignore").read_text().splitlines()
    assert ignored == "*"
    copied = {
        name
        for line in re.findall(r"^COPY --chown=ray:users (.+) \S+$", _DOCKERFILE, re.MULTILINE)
        for name in line.split()
    }
    assert copied == {line[1:] for line in let_through if line.startswith("!")}
    assert all((ROOT / name).exists() for name in copied)


def test_the_version_of_the_images_is_that_of_the_package() -> None:
    for path in KUBERAY.glob("overlays/*/kustomization.yaml"):
        for image in yaml.safe_load(path.read_text())["images"]:
            assert image["newTag"].startswith(f"{__version__}-")
