"""What a diarization engine promises, whichever models it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from deployments import contracts
from deployments.stopping import ShouldStop


@dataclass(frozen=True, slots=True)
class DiarizationCapabilities:
    """What an engine can do, as data: callers branch on these, never on the engine's name.

    Attributes:
        voiceprints: it tells what the voice of a single utterance is like, which live speech needs to name speakers.
    """

    voiceprints: bool


def speaker_name(number: int) -> str:
    """The name of a speaker, who are counted from 0 as they first appear."""
    return f"SPEAKER_{number:02d}"


class DiarizationEngine(Protocol):
    """Who speaks when. Called from several threads at once."""

    def diarize(
        self, samples: contracts.Samples, speaker_count: contracts.SpeakerCount, should_stop: ShouldStop
    ) -> tuple[contracts.SpeakerTurn, ...]:
        """Find the speakers' turns.

        Args:
            samples: [n] at 16 kHz.
            speaker_count: bounds; fewer speakers come back where fewer voices are found than asked for.
            should_stop: asked between model calls.

        Returns:
            Turns sorted by start, speakers named SPEAKER_00, SPEAKER_01, ... as they first appear; those of
            different speakers may overlap; none where nobody speaks.

        Raises:
            errors.Cancelled: should_stop turned true.
        """
        ...

    def voiceprint(self, samples: contracts.Samples, should_stop: ShouldStop) -> contracts.Voiceprint | None:
        """How the voice sounds that speaks most of an utterance, where it speaks alone.

        Args:
            samples: [n] at 16 kHz.
            should_stop: asked between model calls.

        Returns:
            None where there is too little speech.

        Raises:
            errors.Cancelled: should_stop turned true.
            errors.UnsupportedParameter: an engine without voiceprints.
        """
        ...
