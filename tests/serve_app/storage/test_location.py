from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import make_url

from serve_app.settings import StorageSettings
from serve_app.storage.location import database_url, storage_folder

pytestmark = pytest.mark.unit


def test_the_users_data_folder_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = storage_folder(StorageSettings())
    assert folder.name == "rayscribe"
    assert folder.is_relative_to(tmp_path)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert make_url(database_url(StorageSettings())).database == str(folder / "rayscribe.db")


def test_a_folder_that_is_there_keeps_its_permissions(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o750)
    assert storage_folder(StorageSettings(folder=str(tmp_path / "data"))).stat().st_mode & 0o777 == 0o750


def test_any_character_may_be_in_the_folders_name(tmp_path: Path) -> None:
    settings = StorageSettings(folder=str(tmp_path / "a ?%#@: b"))
    assert make_url(database_url(settings)).database == str(tmp_path / "a ?%#@: b" / "rayscribe.db")


def test_a_url_is_taken_as_it_is(tmp_path: Path) -> None:
    url = "postgresql+psycopg://u:p%40ss@h/d"
    assert database_url(StorageSettings(folder=str(tmp_path / "unused"), database_url=url)) == url
    assert not (tmp_path / "unused").exists()
