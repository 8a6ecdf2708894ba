"""Real speech that every installation has: the WAV files inside the moonshine-voice wheel."""

from __future__ import annotations

import importlib.util
import wave
from pathlib import Path

import numpy as np

from deployments.contracts import SAMPLE_RATE_HZ, Samples


def recording_path(name: str) -> Path:
    """A WAV of the wheel: two_cities (44 s, one reader), beckett, endgame_nagg_nell (a dialogue) …"""
    spec = importlib.util.find_spec("moonshine_voice")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "assets" / f"{name}.wav"


def recording(name: str) -> Samples:
    """The recording as mono float32 at 16 kHz."""
    with wave.open(str(recording_path(name))) as file:
        assert file.getsampwidth() == 2
        data = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, file.getnchannels())
        mono = data.mean(axis=1) / 32768
        rate_hz = file.getframerate()
    if rate_hz == SAMPLE_RATE_HZ:
        return np.asarray(mono, np.float32)
    times_s = np.arange(0, len(mono) / rate_hz, 1 / SAMPLE_RATE_HZ)
    return np.asarray(np.interp(times_s, np.arange(len(mono)) / rate_hz, mono), np.float32)


TWO_CITIES = (
    "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness, "
    "it was the epoch of belief, it was the epoch of incredulity, it was the season of Light, it was the season of "
    "Darkness, it was the spring of hope, it was the winter of despair, we had everything before us, we had nothing "
    "before us, we were all going direct to Heaven, we were all going direct the other way"
)
"""How two_cities begins (Dickens, public domain)."""
