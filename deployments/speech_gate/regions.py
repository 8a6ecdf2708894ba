"""From speech probabilities to the stretches of a recording that are worth recognising.

Hysteresis turns probabilities into runs; a run that holds up long enough proves speech, and the weak runs beside it are
its soft words. Regions keep their pauses apart, so that a long recording can be cut at them, and share the pause
between them as padding. Pure: no audio, no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from deployments.contracts import TimeSpan
from deployments.speech_gate.silero import FRAME_S, Probabilities


@dataclass(frozen=True, slots=True)
class RegionSettings:
    """How probabilities become regions.

    Attributes:
        enter_probability: a run starts where the probability reaches this. Silero's own default.
        exit_probability: a run ends where it falls below this; lower than the entry, so that one doubtful frame does
            not split a word. Silero's own default.
        min_speech_s: the shortest run that proves speech. Single spoken words made runs of 0.29 s and more; laughter,
            dishes, machines and instruments 0.19 s at most.
        near_s: a shorter run counts, too, where the chain of runs that leads from it to a proof has no gap above this.
        join_gap_s: runs closer than this are one region. It is the length of a stop consonant and some more: what is
            longer is a pause, where a recording may be cut or a language may change.
        padding_s: the most that is kept in front of and behind a region: the model hears soft consonants late, and
            the recogniser needs air around its first and last word. Word errors of Moonshine tiny on read English were
            13.4 % with 0.3 s, 12.0 % with 0.5 s, and 11.2 % to 11.8 % from 0.7 s up.
    """

    enter_probability: float = 0.5
    exit_probability: float = 0.35
    min_speech_s: float = 0.25
    near_s: float = 1.0
    join_gap_s: float = 0.3
    padding_s: float = 0.7

    def __post_init__(self) -> None:
        if not 0.0 < self.exit_probability <= self.enter_probability < 1.0:
            raise ValueError("need 0 < exit_probability <= enter_probability < 1")
        if min(self.min_speech_s, self.join_gap_s, self.padding_s) < 0.0 or self.near_s < self.join_gap_s:
            raise ValueError("durations must not be negative, and near_s not below join_gap_s")


def speech_regions(probabilities: Probabilities, duration_s: float, settings: RegionSettings) -> tuple[TimeSpan, ...]:
    """The stretches where somebody speaks: sorted, disjoint (they may touch), inside the recording.

    Args:
        probabilities: speech probability of each 32 ms frame, shape [frames].
        duration_s: length of the recording; the last frame may reach beyond it.
        settings: thresholds and durations.
    """
    runs = _hysteresis_runs(probabilities, settings)
    spoken = [
        (int(joined[0][0]) * FRAME_S, int(joined[-1][1]) * FRAME_S)
        for group in _split_at_gaps(runs, settings.near_s)
        if max(end - start for start, end in group) * FRAME_S >= settings.min_speech_s
        for joined in _split_at_gaps(group, settings.join_gap_s)
    ]
    return _padded(spoken, duration_s, settings.padding_s)


def _hysteresis_runs(probabilities: Probabilities, settings: RegionSettings) -> npt.NDArray[np.intp]:
    """Maximal runs that stay at or over the exit threshold and reach the entry threshold, each cut to begin there.

    Returns:
        First frame and the frame after the last, shape [runs, 2].
    """
    above = np.concatenate(([False], probabilities >= settings.exit_probability, [False]))
    edges = np.flatnonzero(above[1:] != above[:-1]).reshape(-1, 2)
    entries = np.flatnonzero(probabilities >= settings.enter_probability)
    # The first entry at or after the start of a run, if it lies within the run.
    first_entry = np.append(entries, len(probabilities))[np.searchsorted(entries, edges[:, 0])]
    entered = first_entry < edges[:, 1]
    return np.column_stack((first_entry[entered], edges[entered, 1]))


def _split_at_gaps(runs: npt.NDArray[np.intp], longest_gap_s: float) -> Sequence[npt.NDArray[np.intp]]:
    """Groups of consecutive runs with gaps of at most longest_gap_s between them."""
    if len(runs) == 0:
        return []
    gaps_s = (runs[1:, 0] - runs[:-1, 1]) * FRAME_S
    return np.split(runs, np.flatnonzero(gaps_s > longest_gap_s) + 1)


def _padded(spoken: Sequence[tuple[float, float]], duration_s: float, padding_s: float) -> tuple[TimeSpan, ...]:
    """Spans widened by padding_s, or up to the middle of the pause to a neighbour, within the recording."""
    if not spoken:
        return ()
    first_s, last_s = spoken[0][0], min(spoken[-1][1], duration_s)
    starts_s, ends_s = [max(first_s - padding_s, 0.0)], []
    for (_, end_s), (next_start_s, _) in pairwise(spoken):
        # Both sides against the same number: half the pause added here and taken off there may cross by rounding.
        middle_s = (end_s + next_start_s) / 2
        ends_s.append(min(end_s + padding_s, middle_s))
        starts_s.append(max(next_start_s - padding_s, middle_s))
    ends_s.append(min(last_s + padding_s, duration_s))
    return tuple(TimeSpan(start_s, end_s) for start_s, end_s in zip(starts_s, ends_s, strict=True))
