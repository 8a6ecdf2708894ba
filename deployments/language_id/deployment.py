"""The LanguageIdentifier stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from deployments.contracts import LanguageSpan, TimeSpan, Waveform
from deployments.errors import EngineUnavailable
from deployments.language_id.engine import LanguageEngine
from deployments.language_id.identifier import Identifier
from deployments.language_id.single_language import SingleLanguage
from deployments.language_id.smoothing import SmoothingSettings
from deployments.offload import EngineThreads

_ENGINES: Mapping[str, Callable[[frozenset[str]], LanguageEngine]] = {"single-language": SingleLanguage}


@dataclass(frozen=True, slots=True)
class LanguageIdentifierConfig:
    """What a LanguageIdentifier replica is made of; languages are those of the recogniser."""

    engine: str
    languages: frozenset[str]
    smoothing: SmoothingSettings


class LanguageIdentifier:
    """Labels speech regions with their language."""

    def __init__(self, config: LanguageIdentifierConfig) -> None:
        if config.engine not in _ENGINES:
            raise EngineUnavailable(f"No language engine is called {config.engine!r}; there are: {', '.join(_ENGINES)}")
        self._identifier = Identifier(_ENGINES[config.engine](config.languages), config.smoothing)
        self._threads = EngineThreads(1)

    async def identify(
        self, waveform: Waveform, regions: tuple[TimeSpan, ...], candidates: tuple[str, ...]
    ) -> tuple[LanguageSpan, ...]:
        """See Identifier.identify; without candidates the choice is among all that the engine knows."""
        narrowed = frozenset(candidates) or None
        return await self._threads.run(
            lambda should_stop: self._identifier.identify(waveform.samples, regions, should_stop, narrowed)
        )
