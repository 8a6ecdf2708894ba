"""The gate: finds speech, measures how clearly it is heard, and ends recordings that hold nothing to recognise."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from deployments.contracts import Samples, SpeechMap, TranscriptionWarning, WarningCode, Waveform
from deployments.speech_gate.regions import RegionSettings, speech_regions
from deployments.speech_gate.silero import Probabilities, SileroVad
from deployments.speech_gate.snr import estimate_snr_db
from deployments.stopping import ShouldStop, never


@dataclass(frozen=True, slots=True)
class GateSettings:
    """What passes the gate.

    Attributes:
        snr_floor_db: recordings whose speech is below this are dropped. The default is the lowest ratio that can be
            told, so that no speech that the detector hears is dropped: it still hears words at -5 dB that a recogniser
            may get right. A profile whose recogniser invents words in noise raises it.
        regions: thresholds and durations of speech regions.
    """

    snr_floor_db: float = -10.0
    regions: RegionSettings = field(default_factory=RegionSettings)


class VoiceActivityDetector(Protocol):
    """Gives the probability of speech in each 32 ms frame; SileroVad is the one that ships."""

    def speech_probabilities(self, samples: Samples, should_stop: ShouldStop = never) -> Probabilities:
        """See SileroVad.speech_probabilities."""


class SpeechGateEngine:
    """Inspects whole recordings. Holds no state between calls; one instance serves many threads."""

    def __init__(self, settings: GateSettings | None = None, vad: VoiceActivityDetector | None = None) -> None:
        self._settings = settings or GateSettings()
        self._vad = vad or SileroVad()

    def inspect(self, waveform: Waveform, should_stop: ShouldStop = never) -> SpeechMap:
        """Find the speech of a recording and its signal-to-noise ratio.

        Returns:
            Regions to recognise; none, and a warning that says why, where nobody speaks or the noise covers the
            speech. Warnings of the waveform come first.

        Raises:
            Cancelled: should_stop turned true.
        """
        samples, duration_s = waveform.samples, waveform.duration_s
        probabilities = self._vad.speech_probabilities(samples, should_stop)
        regions = speech_regions(probabilities, duration_s, self._settings.regions)
        if not regions:
            warning = TranscriptionWarning(WarningCode.NO_SPEECH_DETECTED, "No speech was detected in the audio")
            return SpeechMap(duration_s, (), None, (*waveform.warnings, warning))
        snr_db = estimate_snr_db(samples, probabilities, should_stop)
        if snr_db is not None and snr_db < self._settings.snr_floor_db:
            warning = TranscriptionWarning(
                WarningCode.LOW_SNR_DROPPED,
                f"The signal-to-noise ratio of {snr_db:.1f} dB is below the floor of "
                f"{self._settings.snr_floor_db:g} dB",
            )
            return SpeechMap(duration_s, (), snr_db, (*waveform.warnings, warning))
        return SpeechMap(duration_s, regions, snr_db, waveform.warnings)
