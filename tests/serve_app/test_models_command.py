from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from serve_app.checkpoints import model_name, named_checkpoints
from serve_app.cli import app
from serve_app.doctor import Verdict, check_checkpoints, check_engines
from serve_app.settings import Settings
from tests.fakes.model_hub import Hub, running_hub

pytestmark = pytest.mark.unit

WHISPER = "acme/whisper-tiny"


@pytest.fixture
def hub() -> Iterator[Hub]:
    pytest.importorskip("huggingface_hub")
    with running_hub() as hub:
        yield hub


class _Installation:
    """A config file whose recogniser and language identifier are of one checkpoint, and the commands with it."""

    def __init__(self, folder: Path, hub: Hub) -> None:
        self._models = {"folder": str(folder / "models"), "hub_endpoint": hub.url}
        self._path = folder / "config.yaml"
        self.settings = self.write()

    def write(self, *, offline: bool = False, revision: str | None = None) -> Settings:
        weights = {"checkpoint": WHISPER, "revision": revision}
        settings = {
            "models": {**self._models, "offline": offline},
            "recognition": {"engine": "whisper", **weights},
            "language": {"engine": "whisper-head", **weights},
        }
        application = {"name": "rayscribe", "import_path": "serve_app.builder:build_app", "args": settings}
        self._path.write_text(yaml.safe_dump({"applications": [application]}))
        return Settings.model_validate(settings)

    def run(self, *command: str) -> Result:
        return CliRunner().invoke(app, ["models", *command, "--config", str(self._path)])

    def listed(self) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = json.loads(self.run("list", "--json").stdout)
        return rows


@pytest.fixture
def installation(tmp_path: Path, hub: Hub) -> _Installation:
    return _Installation(tmp_path, hub)


def test_what_is_missing_is_pulled_once_and_then_complete(installation: _Installation, hub: Hub) -> None:
    commit = hub.commit(WHISPER, {"config.json": b"{}", "model.safetensors": bytes(1000)})
    assert [(row["stage"], row["engine"], row["status"]) for row in installation.listed()] == [
        ("language", "whisper-head", "missing"),
        ("recognition", "whisper", "missing"),
    ]
    pulled = installation.run("pull")
    assert pulled.exit_code == 0, pulled.output
    assert f"{WHISPER}  {commit}  0.00 GB" in pulled.stdout
    assert len(hub.downloads) == 2
    for row in installation.listed():
        assert (row["location"], row["revision"], row["status"], row["size_bytes"]) == (
            WHISPER,
            commit,
            "complete",
            1002,
        )
        assert (Path(str(row["folder"])) / "model.safetensors").stat().st_size == 1000
    table = installation.run("list").stdout.splitlines()
    assert table[0].split() == ["stage", "engine", "location", "status", "revision", "size", "folder"]
    assert commit in table[1]


def test_a_pull_does_what_a_service_that_is_offline_may_not(installation: _Installation, hub: Hub) -> None:
    hub.commit(WHISPER, {"config.json": b"{}"})
    installation.write(offline=True)
    assert installation.run("pull").exit_code == 0
    assert installation.listed()[0]["status"] == "complete"


def test_a_pull_that_fails_says_why(installation: _Installation) -> None:
    result = installation.run("pull")
    assert result.exit_code == 1
    assert f"{WHISPER} does not exist, or is private" in result.stderr


def test_a_config_without_checkpoints_says_so(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("applications: [{args: {}}]")
    for command in ("pull", "list"):
        result = CliRunner().invoke(app, ["models", command, "--config", str(path)])
        assert (result.exit_code, "names no checkpoints" in result.stderr) == (0, True)
    path.write_text("applications: [{args: {recognition: {engine: whisper}}}]")
    result = CliRunner().invoke(app, ["models", "list", "--config", str(path)])
    assert (result.exit_code, "The engine whisper needs a checkpoint" in result.stderr) == (1, True)


def test_doctor_says_what_is_missing_and_fetches_nothing(installation: _Installation, hub: Hub) -> None:
    hub.commit(WHISPER, {"config.json": b"{}"})
    (missing, _) = check_checkpoints(installation.settings)
    assert (missing.name, missing.verdict) == (WHISPER, Verdict.WARNING)
    assert "rayscribe models pull" in missing.detail
    assert {finding.verdict for finding in check_checkpoints(installation.write(offline=True))} == {Verdict.FAILED}
    assert hub.downloads == []
    installation.run("pull")
    assert {finding.verdict for finding in check_checkpoints(installation.settings)} == {Verdict.OK}


def test_doctor_loads_the_engines_whose_checkpoints_are_here(installation: _Installation, hub: Hub) -> None:
    hub.commit(WHISPER, {"config.json": b"{}"})
    loaded: list[str] = []
    loaders = {stage: functools.partial(loaded.append, stage) for stage in ("recognition", "diarization")}
    verdicts = {finding.name: finding.verdict for finding in check_engines(installation.settings, loaders)}
    assert verdicts == {"recognition": Verdict.WARNING, "diarization": Verdict.OK}
    assert loaded == ["diarization"]
    installation.run("pull")
    assert [finding.verdict for finding in check_engines(installation.settings, loaders)] == [Verdict.OK] * 2


def settings_with(recognition: dict[str, object], **others: object) -> Settings:
    language = {"engine": "whisper-head", "checkpoint": "openai/whisper-tiny"}
    return Settings.model_validate({"recognition": recognition, "language": language, **others})


def test_every_stage_may_name_a_checkpoint() -> None:
    settings = settings_with(
        {"engine": "whisper", "checkpoint": "s3://models/asr/whisper-small", "revision": "0123456789ab"},
        diarization={"engine": "community1-torch", "checkpoint": "/srv/community-1"},
        refinement={"llm": {"checkpoint": "acme/llm"}},
    )
    assert [(named.stage, str(named.source)) for named in named_checkpoints(settings)] == [
        ("language", "openai/whisper-tiny"),
        ("recognition", "s3://models/asr/whisper-small (0123456789ab)"),
        ("diarization", "/srv/community-1"),
        ("refinement", "acme/llm"),
    ]


@pytest.mark.parametrize(
    ("location", "name"),
    [
        ("openai/whisper-small", "openai/whisper-small"),
        ("/srv/secret-customer/whisper-small/", "whisper-small"),
        ("s3://secret-bucket/asr/whisper-small", "whisper-small"),
        ("s3://secret-bucket", "whisper"),
    ],
)
def test_answers_name_the_model_and_not_where_it_lies(location: str, name: str) -> None:
    assert model_name(settings_with({"engine": "whisper", "checkpoint": location})) == name
    assert model_name(Settings()) == "moonshine-tiny-en"
