"""From windows that know their speakers to the turns of the recording."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from deployments import contracts
from deployments.diarization.clustering import NOBODY, Labels
from deployments.diarization.engine import speaker_name
from deployments.diarization.segmentation import (
    FRAME_CENTRE_SAMPLES,
    FRAME_STEP_SAMPLES,
    FRAMES_PER_WINDOW,
    LocalActivity,
)

RANKED_FRAMES = 16_384
"""Ranks take 16 bytes for each frame and speaker: hours of a meeting are ranked in blocks."""


def count_speakers(activity: LocalActivity) -> npt.NDArray[np.int64]:
    """How many people speak in each frame of the recording [frames]: the mean over its windows, rounded."""
    totals = np.zeros(activity.frame_count)
    windows = np.zeros(activity.frame_count)
    for first_frame, active in zip(activity.first_frames, activity.active, strict=True):
        frames = slice(first_frame, first_frame + FRAMES_PER_WINDOW)
        totals[frames] += active.sum(axis=1)
        windows[frames] += 1
    return np.rint(totals / np.maximum(windows, 1)).astype(np.int64)


def speaker_activity(activity: LocalActivity, labels: Labels) -> npt.NDArray[np.bool_]:
    """Who speaks in each frame of the recording [frames, speakers].

    In each frame the windows vote, and as many speakers speak as ``count_speakers`` says: those with the
    most votes.
    """
    votes = np.zeros((activity.frame_count, int(labels.max(initial=NOBODY)) + 1), dtype=np.float32)
    for first_frame, active, speakers in zip(activity.first_frames, activity.active, labels, strict=True):
        for local, speaker in enumerate(speakers):
            if speaker != NOBODY:
                votes[first_frame : first_frame + FRAMES_PER_WINDOW, speaker] += active[:, local]
    counts = count_speakers(activity)
    speaking = np.zeros(votes.shape, dtype=np.bool_)
    for start in range(0, len(votes), RANKED_FRAMES):
        block = slice(start, start + RANKED_FRAMES)
        rank = np.argsort(np.argsort(-votes[block], axis=1, kind="stable"), axis=1)
        speaking[block] = (rank < counts[block, np.newaxis]) & (votes[block] > 0)
    return speaking


def speaker_turns(
    speaking: npt.NDArray[np.bool_], duration_s: float, min_pause_s: float
) -> tuple[contracts.SpeakerTurn, ...]:
    """Turns sorted by start, speakers named SPEAKER_00, SPEAKER_01, ... as they first appear.

    Args:
        speaking: [frames, speakers].
        duration_s: turns end here at the latest.
        min_pause_s: a speaker's shorter pauses do not end a turn.
    """
    spans: list[tuple[float, float, int]] = []
    for speaker in range(speaking.shape[1]):
        steps = np.diff(speaking[:, speaker].astype(np.int8), prepend=0, append=0)
        starts_s = frame_time_s(np.flatnonzero(steps == 1))
        ends_s = np.minimum(frame_time_s(np.flatnonzero(steps == -1)), duration_s)
        merged: list[tuple[float, float, int]] = []
        for start_s, end_s in zip(starts_s.tolist(), ends_s.tolist(), strict=True):
            if end_s <= start_s:
                continue
            if merged and start_s - merged[-1][1] < min_pause_s:
                merged[-1] = (merged[-1][0], end_s, speaker)
            else:
                merged.append((start_s, end_s, speaker))
        spans.extend(merged)
    spans.sort()
    names: dict[int, str] = {}
    for _, _, speaker in spans:
        names.setdefault(speaker, speaker_name(len(names)))
    return tuple(contracts.SpeakerTurn(names[speaker], start_s, end_s) for start_s, end_s, speaker in spans)


def frame_time_s(frames: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """The time that frames speak for."""
    times: npt.NDArray[np.float64] = (frames * FRAME_STEP_SAMPLES + FRAME_CENTRE_SAMPLES) / contracts.SAMPLE_RATE_HZ
    return times
