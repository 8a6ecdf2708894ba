"""The renderer of these tests gives what kubectl's kustomize gives."""

import shutil
import subprocess

import pytest
import yaml

from tests.kuberay.rendering import KUBERAY, Object, rendered

pytestmark = pytest.mark.unit


def _by_name(objects: list[Object]) -> dict[tuple[str, str], Object]:
    return {(found["kind"], found["metadata"]["name"]): found for found in objects}


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kubectl_renders_the_same(overlay: str, objects: list[Object]) -> None:
    command = ["kubectl", "kustomize", str(KUBERAY / "overlays" / overlay)]
    theirs = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert _by_name(list(yaml.safe_load_all(theirs))) == _by_name(objects)


def test_no_two_objects_have_one_name(objects: list[Object]) -> None:
    assert len(_by_name(objects)) == len(objects)


def test_rendering_twice_gives_the_same(overlay: str, objects: list[Object]) -> None:
    assert rendered(overlay) == objects
