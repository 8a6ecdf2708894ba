from __future__ import annotations

from pathlib import Path

import pytest

from deployments.checkpoints.source import CheckpointSource, Origin

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("location", "origin"),
    [
        ("openai/whisper-large-v3-turbo", Origin.HUB),
        ("org/name.v2", Origin.HUB),
        ("/srv/models/whisper", Origin.FOLDER),
        ("./whisper", Origin.FOLDER),
        ("../whisper", Origin.FOLDER),
        ("~/whisper", Origin.FOLDER),
        ("s3://bucket", Origin.BUCKET),
        ("s3://bucket/a/b/", Origin.BUCKET),
    ],
)
def test_a_location_is_told_by_its_form(location: str, origin: Origin) -> None:
    assert CheckpointSource(location).origin is origin


def test_a_bucket_and_its_prefix() -> None:
    source = CheckpointSource("s3://models/asr/whisper/")
    assert (source.bucket, source.prefix) == ("models", "asr/whisper")
    assert CheckpointSource("s3://models").prefix == ""


def test_a_folder_is_absolute() -> None:
    assert CheckpointSource("~/whisper").folder == Path.home() / "whisper"
    assert CheckpointSource("./whisper").folder == Path.cwd() / "whisper"


@pytest.mark.parametrize(
    "location",
    [
        "",
        "whisper",
        "org/../name",
        "org/a/b",
        "org/name--x",
        "https://hub/org/name",
        "s3://",
        "s3:///x",
        "s3://b/../x",
        "s3://b/a//c",
        "s3://bucket/a\nb",
    ],
)
def test_other_locations_are_refused(location: str) -> None:
    with pytest.raises(ValueError, match=r"neither|not of the form"):
        CheckpointSource(location)


@pytest.mark.parametrize("revision", ["", "../x", "a//b", "a\\b"])
def test_a_revision_is_no_path_to_elsewhere(revision: str) -> None:
    with pytest.raises(ValueError, match="revision"):
        CheckpointSource("org/name", revision)


def test_a_folder_has_no_revision() -> None:
    with pytest.raises(ValueError, match="has no revisions"):
        CheckpointSource("/srv/whisper", "main")
