"""What a pipeline folder may not say, told without loading it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

# what is imported next needs torch
pytest.importorskip("torch")

import torch

from deployments.diarization.pyannote_folder import check_pipeline_folder
from deployments.errors import EngineUnavailable
from tests.fakes.community1_folder import config, write_community1_folder

pytestmark = pytest.mark.engine

Config = dict[str, Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its networks are described by plain values instead of pyannote.audio's objects."""
    root = tmp_path_factory.mktemp("community1")
    return write_community1_folder(root, segmentation="plain", embedding="plain")


@pytest.fixture
def own_folder(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def test_a_proper_folder_passes(folder: Path) -> None:
    check_pipeline_folder(folder)


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda c: c | {"preprocessors": {"audio": {"name": "os.system", "params": {}}}}, "preprocessors"),
        (lambda c: c | {"freeze": {}}, "freeze"),
        (lambda c: c["pipeline"].update(name="os.system") or c, "does not describe"),
        (lambda c: c["pipeline"].update(extra=1) or c, "extra"),
        (lambda c: c["pipeline"]["params"].update(hook="os.system") or c, "hook"),
        (lambda c: c["pipeline"]["params"].update(segmentation="somebody/else") or c, "segmentation"),
        (lambda c: c["pipeline"]["params"].update(embedding="$model/../elsewhere") or c, "embedding"),
        (lambda c: c["pipeline"]["params"].update(plda={"checkpoint": "/tmp"}) or c, "plda"),
        (lambda c: c["pipeline"]["params"].pop("plda") and c, "plda"),
        (lambda c: c["pipeline"].pop("params") and c, "does not describe"),
        (lambda c: [c], "does not describe"),
        (lambda c: None, "does not describe"),
    ],
)
def test_a_config_that_says_more_is_refused(tmp_path: Path, spoil: Callable[[Config], object], named: str) -> None:
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(spoil(config())))
    with pytest.raises(EngineUnavailable, match=named):
        check_pipeline_folder(tmp_path)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a: [", b"!!python/object/apply:os.getcwd []"])
def test_a_config_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.yaml").write_bytes(content)
    with pytest.raises(EngineUnavailable, match=r"config\.yaml"):
        check_pipeline_folder(tmp_path)


def test_a_folder_without_config_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match=r"config\.yaml"):
        check_pipeline_folder(tmp_path)


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda c: c["pyannote.audio"]["architecture"].update(module="os") or c, "of os"),
        (lambda c: c.pop("pyannote.audio") and c, "not saved by"),
        (lambda c: c | {"pyannote.audio": "text"}, "not saved by"),
        # A class of ours is not one of pyannote.audio's few.
        (lambda c: c | {"callbacks": Path("x")}, "trusted"),
    ],
)
def test_a_network_that_says_more_is_refused(own_folder: Path, spoil: Callable[[Config], object], named: str) -> None:
    path = own_folder / "segmentation" / "pytorch_model.bin"
    torch.save(spoil(torch.load(path, weights_only=False)), path)
    with pytest.raises(EngineUnavailable, match=named):
        check_pipeline_folder(own_folder)
