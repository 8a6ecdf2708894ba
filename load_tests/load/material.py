"""All that a run sends: recordings with their weights, and streams to speak."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from deployments.contracts import SAMPLE_RATE_HZ
from load_tests.live_speech import PAUSE_S, LiveSpeech, clips_of, live_speech
from load_tests.load.plan import Plan
from load_tests.load.uploads import (
    LENGTH_CLASSES,
    Upload,
    cut_uploads,
    joined_speech,
    read_folder,
    uploads_of,
)
from load_tests.recordings import Recording, wheel_recordings

_STREAMS = 6
_NAMED_FILES = 3
_LONGEST_STREAM_S = 20.0
# Half a pause in front of the first clip, and two behind the last; see live_speech.
_AROUND_CLIP_S = 2.5 * PAUSE_S + 0.1


class MaterialMissing(Exception):
    """There is nothing to send."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Recordings that are sent in turns, and how often one of them is."""

    uploads: tuple[Upload, ...]
    weight: int


@dataclass(frozen=True, slots=True)
class Material:
    """What there is; ``skipped`` says what is left out, and why."""

    batches: tuple[Batch, ...]
    speeches: tuple[LiveSpeech, ...]
    skipped: tuple[str, ...] = ()

    @property
    def shortest(self) -> Upload:
        """The shortest recording."""
        return min(self.all_uploads(), key=lambda upload: upload.duration_s)

    def all_uploads(self) -> tuple[Upload, ...]:
        """Every recording."""
        return tuple(upload for batch in self.batches for upload in batch.uploads)

    def by_class(self) -> dict[str, int]:
        """How often recordings of each class of lengths are sent."""
        weights: Counter[str] = Counter()
        for batch in self.batches:
            weights[batch.uploads[0].length] += batch.weight
        return {name: weights[name] for name in LENGTH_CLASSES if weights[name]}


def material_of(plan: Plan, folder: Path | None) -> Material:
    """Real speech cut to the plan's lengths, or what is in a folder, each file as often as any other.

    Raises:
        MaterialMissing: no speech is installed, or nothing in the folder can be decoded.
        OSError: the folder cannot be read.
    """
    skipped: list[str] = []
    if folder is None:
        recordings = wheel_recordings()
        if not recordings:
            raise MaterialMissing("The speech of the moonshine-voice wheel is not installed: give --recordings DIR")
        speech = joined_speech(recordings)
        batches = tuple(Batch(cut_uploads(speech, length_s), weight) for length_s, weight in plan.lengths.items())
    else:
        recordings, others = read_folder(folder)
        if not recordings:
            raise MaterialMissing(f"Nothing in {folder} can be decoded")
        if others:
            named = ", ".join(others[:_NAMED_FILES]) + (" …" if len(others) > _NAMED_FILES else "")
            skipped.append(f"{len(others)} files of {folder} that cannot be decoded: {named}")
        batches = _batches_by_class(uploads_of(recordings))
    return Material(batches, _speeches(plan, recordings) if plan.live_streams else (), tuple(skipped))


def _batches_by_class(uploads: tuple[Upload, ...]) -> tuple[Batch, ...]:
    groups = [tuple(upload for upload in uploads if upload.length == name) for name in LENGTH_CLASSES]
    return tuple(Batch(group, len(group)) for group in groups if group)


def _speeches(plan: Plan, recordings: tuple[Recording, ...]) -> tuple[LiveSpeech, ...]:
    """Sessions that fit into a step where there are clips for it, so that most of them are spoken to their end."""
    clips = sorted(clips_of(recordings) or clips_of(wheel_recordings()), key=lambda clip: len(clip.samples))
    if not clips:
        raise MaterialMissing("No speech for the sockets was found: give --live-streams 0")
    clip_s = [len(clip.samples) / SAMPLE_RATE_HZ for clip in clips]
    longest_s = max(min(plan.step_s / 2, _LONGEST_STREAM_S) - _AROUND_CLIP_S, clip_s[0])
    fitting = [clip for clip, duration_s in zip(clips, clip_s, strict=True) if duration_s <= longest_s]
    return tuple(live_speech(fitting, longest_s + _AROUND_CLIP_S, seed) for seed in range(_STREAMS))
