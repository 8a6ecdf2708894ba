"""The LanguageIdentifier stage."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from deployments import service_log as log
from deployments.contracts import LanguageSpan, TimeSpan, Waveform
from deployments.errors import UnsupportedParameter
from deployments.language_id.engines import LanguageEngineOptions, load_language_engine
from deployments.language_id.identifier import Identifier
from deployments.language_id.smoothing import SmoothingSettings
from deployments.language_id.stretches import StretchSettings
from deployments.offload import EngineThreads
from deployments.process_start import prepare_process
from deployments.signal_table import STAGE_AUDIO
from deployments.signals import SILENT, Signals
from deployments.stage_times import stage_times
from deployments.tracing import annotate, traced

# Engines let one call at a time compute; what another prepares meanwhile, and that it gets its turn between the
# batches of a long recording, needs a thread for each.
_CALLS_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class LanguageIdentifierConfig:
    """What a LanguageIdentifier replica is made of."""

    engine: str
    options: LanguageEngineOptions
    smoothing: SmoothingSettings
    stretches: StretchSettings = field(default_factory=StretchSettings)


class LanguageIdentifier:
    """Labels speech regions with their language."""

    def __init__(self, config: LanguageIdentifierConfig, signals: Signals = SILENT) -> None:
        prepare_process()
        engine = load_language_engine(config.engine, config.options)
        self._languages = engine.languages & config.options.languages
        self._identifier = Identifier(engine, config.smoothing, config.stretches)
        self._signals = signals
        self._threads = EngineThreads(_CALLS_AT_ONCE, stage_times(signals, "language_id", "identify"))

    @traced("language_id")
    async def identify(
        self,
        waveform: Waveform,
        regions: tuple[TimeSpan, ...],
        candidates: tuple[str, ...],
        before: LanguageSpan | None = None,
    ) -> tuple[LanguageSpan, ...]:
        """See Identifier.identify; the choice is among what the recogniser knows, too.

        Raises:
            UnsupportedParameter: the engine knows none of the candidates.
        """
        narrowed = self._languages & frozenset(candidates)
        if not narrowed:
            known = tuple(sorted(self._languages))
            raise UnsupportedParameter(
                "languages", f"can only be told apart if they are among {', '.join(known)}", known
            )
        audio_s = sum(region.duration_s for region in regions)
        with log.stage_call("language_id"):
            labels = await self._threads.run(
                lambda should_stop: self._identifier.identify(waveform.samples, regions, should_stop, narrowed, before),
                audio_s,
            )
        self._signals.count(STAGE_AUDIO, audio_s, stage="language_id", work="identify")
        annotate(audio_s=audio_s)
        return labels

    def record_autoscaling_stats(self) -> dict[str, float]:
        """What scaling goes by; work is counted in seconds of audio."""
        return asdict(self._threads.stats)
