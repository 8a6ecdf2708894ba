from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from serve_app.applications import LIMITER_PATH
from serve_app.settings import LimiterSettings, Settings

pytestmark = pytest.mark.unit

_ROOT = Path(__file__).resolve().parents[2]
_PAGES = (_ROOT / "README.md", *sorted((_ROOT / "docs").glob("*.md")), _ROOT / "kuberay" / "README.md")


def _documents() -> Iterator[tuple[str, Any]]:
    """The YAML of each page; a block may show several, each under a comment that says what it is."""
    for page in _PAGES:
        for block in re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            for part in re.split(r"\n\n(?=#)", block):
                yield page.name, yaml.safe_load(part)


def _settings() -> Iterator[tuple[str, bool, dict[str, Any]]]:
    """The page, whether they are those of a Limiter, and the settings, which stand alone or where a config has them."""
    for page, document in _documents():
        if not isinstance(document, dict):
            continue
        for application in document.get("applications", [document]):
            alone = {name: value for name, value in application.items() if name in Settings.model_fields}
            if found := application.get("args") or alone:
                yield page, application.get("import_path") == LIMITER_PATH, found


@pytest.mark.parametrize(("page", "of_limiter", "settings"), list(_settings()))
def test_settings_that_a_page_shows_are_taken(page: str, of_limiter: bool, settings: dict[str, Any]) -> None:
    (LimiterSettings if of_limiter else Settings).model_validate(settings)


def test_the_pages_show_some() -> None:
    assert {page for page, _, _ in _settings()} >= {"README.md", "access.md", "models.md", "refinement.md"}
