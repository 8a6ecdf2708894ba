"""The recognition engines by name. Nothing heavy is imported before an engine is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from deployments.errors import EngineUnavailable
from deployments.recognition.engine import RecognitionCapabilities, RecognitionEngine
from deployments.recognition.moonshine.capabilities import CAPABILITIES as MOONSHINE_CAPABILITIES


@dataclass(frozen=True, slots=True)
class RecognitionEngineOptions:
    """What every recognition engine can be told; see each engine for what it makes of it."""

    beams: int = 4
    threads: int = 1


@dataclass(frozen=True, slots=True)
class _Entry:
    capabilities: RecognitionCapabilities
    load: Callable[[RecognitionEngineOptions], RecognitionEngine]


def _load_moonshine(options: RecognitionEngineOptions) -> RecognitionEngine:
    from deployments.recognition.moonshine.engine import MoonshineEngine, MoonshineSettings

    return MoonshineEngine(MoonshineSettings(beams=options.beams, threads=options.threads))


_ENGINES: Mapping[str, _Entry] = {"moonshine-tiny-en": _Entry(MOONSHINE_CAPABILITIES, _load_moonshine)}


def recognition_capabilities(name: str) -> RecognitionCapabilities:
    """What the engine can do, without loading it."""
    return _entry(name).capabilities


def load_recognition_engine(name: str, options: RecognitionEngineOptions) -> RecognitionEngine:
    """Load an engine; takes seconds.

    Raises:
        EngineUnavailable: no engine has this name, or its weights are missing.
    """
    return _entry(name).load(options)


def _entry(name: str) -> _Entry:
    if name not in _ENGINES:
        raise EngineUnavailable(f"No recognition engine is called {name!r}; there are: {', '.join(_ENGINES)}")
    return _ENGINES[name]
