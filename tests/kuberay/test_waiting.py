"""What pods wait for before Ray starts in them, run by a real bash with a scripted `rayscribe`."""

import subprocess
from pathlib import Path

import pytest

from tests.kuberay.manifests import rayservice, worker_groups
from tests.kuberay.rendering import Object, rendered

pytestmark = pytest.mark.unit

_NO_ANSWER = "exit 1"


def _script(group: str) -> list[str]:
    (container,) = worker_groups(rendered("gpu"))[group]["template"]["spec"]["initContainers"]
    return list(container["command"])


def _attempts(tmp_path: Path, command: list[str], answers: list[str]) -> int:
    """How often the command asked until it ended, with one answer after the other."""
    bodies = "\n".join(f"{number}) {answer} ;;" for number, answer in enumerate(answers, 1))
    rayscribe = f"#!/bin/bash\necho . >> {tmp_path}/asked\ncase $(wc -l < {tmp_path}/asked) in\n{bodies}\nesac\n"
    for name, text in (("rayscribe", rayscribe), ("sleep", "#!/bin/bash\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    subprocess.run(command, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=True, timeout=30, capture_output=True)
    return len((tmp_path / "asked").read_text().splitlines())


def test_cpu_workers_wait_for_a_key_that_is_good(tmp_path: Path) -> None:
    answers = [_NO_ANSWER, "echo '[]'", """echo '[{"status": "revoked"}]'""", """echo '[{"status": "active"}]'"""]
    assert _attempts(tmp_path, _script("cpu"), answers) == 4


@pytest.mark.parametrize("group", ["gpu-asr", "gpu-diarization", "gpu-llm"])
def test_gpu_workers_wait_until_no_model_is_missing(tmp_path: Path, group: str) -> None:
    some = """echo '[{"status": "complete"}, {"status": "missing"}]'"""
    assert _attempts(tmp_path, _script(group), [_NO_ANSWER, some, """echo '[{"status": "complete"}]'"""]) == 3


def test_a_config_without_checkpoints_waits_for_nothing(tmp_path: Path) -> None:
    assert _attempts(tmp_path, _script("gpu-asr"), ["echo '[]'"]) == 1


def test_the_operator_waits_as_long_as_the_pods_do(objects: list[Object]) -> None:
    """Past this timeout it is done with the RayService for good, and a key that comes then helps nobody."""
    assert "ray.io/initializing-timeout" not in rayservice(objects)["metadata"].get("annotations", {})
