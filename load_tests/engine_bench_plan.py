"""What the benchmark of the engines measures: which models, on what speech, in which batches. No torch here."""

from __future__ import annotations

import json
import math
import wave
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np

from deployments.contracts import SAMPLE_RATE_HZ, Samples

_SYLLABLES_HZ = 4.0
_SPEECH_LEVEL = 0.1


class Family(StrEnum):
    """Which of our engines runs a checkpoint."""

    WHISPER = "whisper"
    MOONSHINE = "moonshine"
    CTC = "ctc"
    TRANSDUCER = "transducer"


# As long as each takes at its best: Whisper's encoder always sees 30 s, Moonshine was trained on utterances.
WINDOW_S = {Family.WHISPER: 30.0, Family.MOONSHINE: 15.0, Family.CTC: 30.0, Family.TRANSDUCER: 30.0}

_FAMILIES = {
    "whisper": Family.WHISPER,
    "moonshine": Family.MOONSHINE,
    "parakeet_ctc": Family.CTC,
    "wav2vec2": Family.CTC,
    "hubert": Family.CTC,
    "wavlm": Family.CTC,
    "parakeet_tdt": Family.TRANSDUCER,
    "parakeet_rnnt": Family.TRANSDUCER,
}


@dataclass(frozen=True, slots=True)
class Speech:
    """Of one window: its length, and how many tokens are said in a second. English has 3 to 4 of Whisper's."""

    window_s: float
    tokens_per_s: float

    @property
    def tokens(self) -> int:
        """In a window, at least one."""
        return max(1, round(self.window_s * self.tokens_per_s))


@dataclass(frozen=True, slots=True)
class Plan:
    """Names of models, batch sizes in windows, turns of each contender beside the one that is timed by part."""

    models: tuple[str, ...]
    batches: tuple[int, ...]
    rounds: int


QUICK = Plan(("whisper-tiny", "moonshine-tiny", "parakeet-ctc-small"), (1, 8), 1)
"""Four minutes on one core."""

FULL = Plan(
    ("whisper-large-v3-turbo", "whisper-small", "parakeet-ctc-1.1b", "parakeet-tdt-0.6b", "moonshine-base"),
    (1, 2, 4, 8, 16, 32, 64),
    5,
)
"""Minutes on a GPU."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a model should reach on an H200, at its best batch size."""

    model: str
    real_times: float
    pipelines: float | None = None


TARGETS = (Target("whisper-large-v3-turbo", 600.0, 2.0), Target("parakeet-ctc-1.1b", 3000.0))


def family_of(folder: Path) -> Family:
    """Which engine runs the checkpoint in a folder.

    Raises:
        ValueError: none does.
    """
    try:
        model_type = json.loads((folder / "config.json").read_text())["model_type"]
        return _FAMILIES[model_type]
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(f"{folder} holds no checkpoint that the engines here run ({error})") from error


def synthetic_speech(duration_s: float, seed: int) -> Samples:
    """Noise that comes in syllables; enough where weights are random, too."""
    times_s = np.arange(math.ceil(duration_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    noise = np.random.default_rng(seed).standard_normal(len(times_s))
    loudness = 0.5 + 0.5 * np.sin(2 * np.pi * _SYLLABLES_HZ * times_s + seed)
    samples: Samples = (_SPEECH_LEVEL * loudness * noise).astype(np.float32)
    return samples


def read_speech(path: Path) -> Samples:
    """A WAV file of 16 kHz, 16 bits, one channel.

    Raises:
        ValueError: it is something else.
    """
    try:
        with wave.open(str(path), "rb") as file:
            found = (file.getframerate(), file.getsampwidth(), file.getnchannels())
            data = file.readframes(file.getnframes())
    except (OSError, wave.Error, EOFError) as error:
        raise ValueError(f"{path} is no WAV file: {error}") from error
    if found != (SAMPLE_RATE_HZ, 2, 1) or not data:
        raise ValueError(f"{path} is not 16 kHz, 16 bits, one channel")
    return np.frombuffer(data, np.int16).astype(np.float32) / np.float32(2**15)


def windows_of(speech: Samples | None, window_s: float, count: int) -> list[Samples]:
    """That many windows: of the speech, from its start again where it ends; made up where there is none."""
    if speech is None:
        return [synthetic_speech(window_s, seed) for seed in range(count)]
    length = round(window_s * SAMPLE_RATE_HZ)
    endless = np.resize(speech, count * length)
    return [endless[at * length : (at + 1) * length] for at in range(count)]
