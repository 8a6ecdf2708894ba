"""What checkpoints say about themselves; all of it without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from deployments.errors import EngineUnavailable
from deployments.recognition.whisper.capabilities import CAPABILITIES, capabilities_of

pytestmark = pytest.mark.unit


def _folder(tmp_path: Path, generation: dict[str, object]) -> Path:
    (tmp_path / "generation_config.json").write_text(json.dumps(generation))
    (tmp_path / "config.json").write_text(json.dumps({"max_source_positions": 1500}))
    return tmp_path


def test_the_family_has_99_languages_and_windows_of_30_s() -> None:
    assert len(CAPABILITIES.languages) == 99
    assert {"en", "zh", "hi", "jv"} <= CAPABILITIES.languages
    assert CAPABILITIES.longest_window_s == 30.0
    assert CAPABILITIES.biasing


def test_a_checkpoint_has_the_languages_it_lists_under_their_iso_codes(tmp_path: Path) -> None:
    listed = {"<|en|>": 50259, "<|jw|>": 50356, "<|yue|>": 50358}
    capabilities = capabilities_of(_folder(tmp_path, {"is_multilingual": True, "lang_to_id": listed}))
    assert capabilities.languages == {"en", "jv", "yue"}
    assert capabilities.longest_window_s == 30.0


def test_a_checkpoint_that_is_not_multilingual_has_english(tmp_path: Path) -> None:
    assert capabilities_of(_folder(tmp_path, {"is_multilingual": False})).languages == {"en"}


def test_a_multilingual_checkpoint_has_to_list_its_languages(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match="lang_to_id"):
        capabilities_of(_folder(tmp_path, {"is_multilingual": True}))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match=r"generation_config\.json"):
        capabilities_of(tmp_path)


def test_capabilities_and_settings_are_imported_without_torch() -> None:
    modules = ", ".join(f"deployments.recognition.whisper.{name}" for name in ("capabilities", "settings"))
    program = f"import sys, {modules}; sys.exit(int('torch' in sys.modules or 'transformers' in sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
