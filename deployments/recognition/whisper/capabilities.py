"""What Whisper can do; light to import, so that the ingress can ask without torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from deployments.errors import EngineUnavailable
from deployments.recognition.engine import RecognitionCapabilities

_LANGUAGES = """
    af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw he hi hr ht hu hy id is
    it ja jv ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne nl nn no oc pa pl ps pt ro ru sa sd si sk
    sl sn so sq sr su sv sw ta te tg th tk tl tr tt uk ur uz vi yi yo zh
"""

CAPABILITIES = RecognitionCapabilities(
    languages=frozenset(_LANGUAGES.split()),
    longest_window_s=30.0,
    # A window costs the encoder 30 s however short it is, and context makes the text better.
    best_window_s=28.0,
    word_times=True,
    confidences=True,
    biasing=True,
)
"""Of the multilingual checkpoints. Hawaiian has no ISO 639-1 code and keeps its ISO 639-2 code, haw."""

# Of the encoder's output.
_FRAMES_PER_S = 50

# Javanese: Whisper's tokens have the code that ISO 639-1 withdrew in 2001.
_WHISPER_CODES: Mapping[str, str] = {"jv": "jw"}
_ISO_CODES: Mapping[str, str] = {whisper: iso for iso, whisper in _WHISPER_CODES.items()}


def language_tokens(generation: Mapping[str, object]) -> dict[str, int] | None:
    """Token ids by ISO 639-1 code from a generation_config.json; None for an English-only checkpoint.

    Raises:
        EngineUnavailable: the checkpoint is multilingual, and the file lists no languages.
    """
    if generation.get("is_multilingual") is False:
        return None
    listed = generation.get("lang_to_id")
    if not isinstance(listed, dict) or not listed:
        raise EngineUnavailable(
            "generation_config.json has no lang_to_id: "
            "copy the file from the Whisper checkpoint that this one was trained from"
        )
    codes = {str(token).removeprefix("<|").removesuffix("|>"): int(number) for token, number in listed.items()}
    return {_ISO_CODES.get(code, code): number for code, number in codes.items()}


def capabilities_of(folder: Path) -> RecognitionCapabilities:
    """What the checkpoint in the folder can do: some are English only, and large-v3 adds Cantonese (yue).

    Raises:
        EngineUnavailable: the folder lacks the files that say so.
    """
    languages = language_tokens(read_json(folder / "generation_config.json"))
    frames = read_json(folder / "config.json").get("max_source_positions")
    longest_s = frames / _FRAMES_PER_S if isinstance(frames, int) else CAPABILITIES.longest_window_s
    return replace(
        CAPABILITIES,
        languages=frozenset({"en"} if languages is None else languages),
        longest_window_s=longest_s,
        best_window_s=min(CAPABILITIES.best_window_s, longest_s),
    )


def read_json(path: Path) -> dict[str, object]:
    """One of the checkpoint's settings files.

    Raises:
        EngineUnavailable: it is missing or no JSON object.
    """
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EngineUnavailable(f"The Whisper checkpoint has no readable {path.name} (looked for {path})") from error
    if not isinstance(read, dict):
        raise EngineUnavailable(f"{path} holds no JSON object")
    return read
