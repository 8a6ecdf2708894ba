"""What pods wait for before Ray starts in them, and what fetches it, run by a real bash with a scripted `rayscribe`."""

import subprocess
from pathlib import Path

import pytest

from tests.kuberay.manifests import of_kind, rayservice, worker_groups
from tests.kuberay.rendering import Object, rendered

pytestmark = pytest.mark.unit

_NO_ANSWER = "exit 1"
_SOME_MODELS = """echo '[{"status": "complete"}, {"status": "missing"}]'"""
_ALL_MODELS = """echo '[{"status": "complete"}]'"""


def _script(group: str) -> list[str]:
    (container,) = worker_groups(rendered("gpu"))[group]["template"]["spec"]["initContainers"]
    return list(container["command"])


def _attempts(tmp_path: Path, command: list[str], answers: list[str]) -> int:
    """How often the command asked until it ended, with one answer after the other."""
    return len(_asked(tmp_path, command, answers))


def _asked(tmp_path: Path, command: list[str], answers: list[str]) -> list[str]:
    """What the command asked until it ended."""
    bodies = "\n".join(f"{number}) {answer} ;;" for number, answer in enumerate(answers, 1))
    rayscribe = f"#!/bin/bash\necho $1 $2 >> {tmp_path}/asked\ncase $(wc -l < {tmp_path}/asked) in\n{bodies}\nesac\n"
    for name, text in (("rayscribe", rayscribe), ("sleep", "#!/bin/bash\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    subprocess.run(command, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=True, timeout=30, capture_output=True)
    return (tmp_path / "asked").read_text().splitlines()


def test_cpu_workers_wait_for_a_key_that_is_good(tmp_path: Path) -> None:
    answers = [_NO_ANSWER, "echo '[]'", """echo '[{"status": "revoked"}]'""", """echo '[{"status": "active"}]'"""]
    assert _attempts(tmp_path, _script("cpu"), answers) == 4


@pytest.mark.parametrize("group", ["gpu-asr", "gpu-diarization", "gpu-llm"])
def test_gpu_workers_wait_until_no_model_is_missing(tmp_path: Path, group: str) -> None:
    assert _attempts(tmp_path, _script(group), [_NO_ANSWER, _SOME_MODELS, _ALL_MODELS]) == 3


def test_a_config_without_checkpoints_waits_for_nothing(tmp_path: Path) -> None:
    assert _attempts(tmp_path, _script("gpu-asr"), ["echo '[]'"]) == 1


@pytest.mark.parametrize(
    ("listed", "asked"),
    [
        (_ALL_MODELS, ["models list"]),
        (_SOME_MODELS, ["models list", "models pull"]),
        (_NO_ANSWER, ["models list", "models pull"]),
    ],
)
def test_models_are_fetched_where_some_are_missing_and_else_left_as_they_are(
    tmp_path: Path, listed: str, asked: list[str]
) -> None:
    """Each apply after the Job is gone runs it again, which must not move a checkpoint that is not pinned."""
    (job,) = of_kind(rendered("gpu"), "Job")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert _asked(tmp_path, container["command"], [listed, "exit 0"]) == asked


def test_the_operator_waits_as_long_as_the_pods_do(objects: list[Object]) -> None:
    """Past this timeout it is done with the RayService for good, and a key that comes then helps nobody."""
    assert "ray.io/initializing-timeout" not in rayservice(objects)["metadata"].get("annotations", {})
