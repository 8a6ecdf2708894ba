"""Diarization error: no collar, overlap counted, over the whole recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pyannote.core import Annotation, Segment, Timeline
from pyannote.metrics.diarization import DiarizationErrorRate

from deployments.contracts import SpeakerTurn


@dataclass(frozen=True, slots=True)
class DiarizationErrors:
    """Seconds of each kind of error; they add up over recordings."""

    missed_s: float = 0.0
    false_alarm_s: float = 0.0
    confused_s: float = 0.0
    reference_s: float = 0.0

    def __add__(self, other: DiarizationErrors) -> DiarizationErrors:
        return DiarizationErrors(
            self.missed_s + other.missed_s,
            self.false_alarm_s + other.false_alarm_s,
            self.confused_s + other.confused_s,
            self.reference_s + other.reference_s,
        )

    @property
    def percent(self) -> float | None:
        """Seconds in error per hundred seconds that somebody truly speaks; None where nobody does."""
        wrong_s = self.missed_s + self.false_alarm_s + self.confused_s
        return 100 * wrong_s / self.reference_s if self.reference_s else None


def count_diarization_errors(
    reference: Sequence[SpeakerTurn], hypothesis: Sequence[SpeakerTurn], duration_s: float
) -> DiarizationErrors:
    """Errors under the best pairing of speakers."""
    metric = DiarizationErrorRate(collar=0.0, skip_overlap=False)
    parts = metric(
        _annotation(reference), _annotation(hypothesis), uem=Timeline([Segment(0.0, duration_s)]), detailed=True
    )
    return DiarizationErrors(
        missed_s=float(parts["missed detection"]),
        false_alarm_s=float(parts["false alarm"]),
        confused_s=float(parts["confusion"]),
        reference_s=float(parts["total"]),
    )


def read_rttm(path: Path) -> tuple[SpeakerTurn, ...]:
    """The SPEAKER lines of an RTTM file (NIST RT-09): type, file, channel, start, duration, two blanks, speaker."""
    fields = (line.split() for line in path.read_text().splitlines())
    return tuple(
        SpeakerTurn(speaker=field[7], start_s=float(field[3]), end_s=float(field[3]) + float(field[4]))
        for field in fields
        if field and field[0] == "SPEAKER"
    )


def _annotation(turns: Sequence[SpeakerTurn]) -> Annotation:
    annotation = Annotation()
    for track, turn in enumerate(turns):
        if turn.end_s > turn.start_s:
            annotation[Segment(turn.start_s, turn.end_s), track] = turn.speaker
    # Where the turns of one speaker touch or overlap, he still speaks once.
    return annotation.support()
