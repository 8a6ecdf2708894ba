"""Recordings to send: real speech cut to lengths that are known, or whatever lies in a folder."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deployments.contracts import SAMPLE_RATE_HZ, Samples
from deployments.errors import AudioRejected
from load_tests.decoding import decode
from load_tests.latency import as_wav
from load_tests.long_recordings import encode_opus
from load_tests.recordings import Recording

_CLASSES_S = ((5.0, "up to 5 s"), (30.0, "up to 30 s"), (120.0, "up to 2 min"))
_LONGER = "longer"
LENGTH_CLASSES = (*(name for _, name in _CLASSES_S), _LONGER)

# A WAV of four minutes has 7.7 MB, and people who have such recordings compress them. 60db takes 10 MB.
_LONGEST_WAV_S = 60.0
_VARIANTS = 3
_STRIDE_S = 11.3


@dataclass(frozen=True, slots=True, eq=False)
class Upload:
    """A recording as a file."""

    name: str
    data: bytes
    content_type: str
    duration_s: float

    @property
    def length(self) -> str:
        """The class that it belongs to."""
        return length_class(self.duration_s)


def length_class(duration_s: float) -> str:
    """One of LENGTH_CLASSES."""
    return next((name for longest_s, name in _CLASSES_S if duration_s <= longest_s), _LONGER)


def cut_uploads(speech: Samples, length_s: float) -> tuple[Upload, ...]:
    """A few files of different speech as WAV, or one as Ogg Opus where it is long: it takes a second for 100 s."""
    variants = _VARIANTS if length_s <= _LONGEST_WAV_S else 1
    return tuple(_cut_upload(speech, length_s, variant) for variant in range(variants))


def joined_speech(recordings: Sequence[Recording]) -> Samples:
    """All of them, one behind the other."""
    return np.concatenate([decode(recording.read()).samples for recording in recordings])


def read_folder(folder: Path) -> tuple[tuple[Recording, ...], list[str]]:
    """Everything in a folder that can be decoded, and the names of what cannot.

    Raises:
        OSError: the folder cannot be read.
    """
    found, others = [], []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        data = path.read_bytes()
        try:
            duration_s = decode(data).duration_s
        except AudioRejected:
            others.append(path.name)
        else:
            digest = hashlib.sha256(data).hexdigest()
            found.append(Recording(path.name, path, digest, "given", language=None, duration_s=duration_s))
    return tuple(found), others


def uploads_of(recordings: Sequence[Recording]) -> tuple[Upload, ...]:
    """The files as they are."""
    return tuple(
        Upload(recording.path.name, recording.read(), "application/octet-stream", recording.duration_s)
        for recording in recordings
    )


def _cut_upload(speech: Samples, length_s: float, variant: int) -> Upload:
    first = int(variant * _STRIDE_S * SAMPLE_RATE_HZ)
    samples = np.take(speech, np.arange(first, first + round(length_s * SAMPLE_RATE_HZ)), mode="wrap")
    duration_s = len(samples) / SAMPLE_RATE_HZ
    if length_s <= _LONGEST_WAV_S:
        return Upload(f"{length_s:g}s-{variant}.wav", as_wav(samples), "audio/wav", duration_s)
    return Upload(f"{length_s:g}s-{variant}.ogg", encode_opus(samples), "audio/ogg", duration_s)
