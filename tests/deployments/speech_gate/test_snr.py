from __future__ import annotations

import numpy as np
import pytest

from deployments.contracts import Samples
from deployments.errors import Cancelled
from deployments.speech_gate.silero import FRAME_SAMPLES, Probabilities, SileroVad
from deployments.speech_gate.snr import HIGHEST_SNR_DB, LOWEST_SNR_DB, estimate_snr_db
from tests.fakes.recordings import recording

pytestmark = pytest.mark.engine

SECOND = 16_000


def white(seconds: float) -> Samples:
    return np.random.default_rng(7).standard_normal(round(seconds * SECOND)).astype(np.float32)


def brown(seconds: float) -> Samples:
    spectrum = np.fft.rfft(white(seconds))
    frequency_hz = np.fft.rfftfreq(round(seconds * SECOND), 1 / SECOND)
    spectrum /= np.maximum(frequency_hz, 100.0)
    spectrum[frequency_hz < 50.0] = 0.0
    return np.fft.irfft(spectrum).astype(np.float32)


def hum(seconds: float) -> Samples:
    time_s = np.arange(round(seconds * SECOND)) / SECOND
    tones = sum(np.sin(2 * np.pi * 50 * overtone * time_s) / overtone for overtone in range(1, 10))
    return np.asarray(tones, np.float32)


@pytest.fixture(scope="module")
def vad() -> SileroVad:
    return SileroVad()


def active_power(speech: Samples, vad: SileroVad) -> float:
    frames = len(speech) // FRAME_SAMPLES
    active = np.repeat(vad.speech_probabilities(speech)[:frames] > 0.5, FRAME_SAMPLES)
    return float(np.mean(speech[: len(active)][active] ** 2))


# The recordings bring noise of their own, 20 dB below their speech: mixtures above 10 dB are not what they say.
@pytest.mark.parametrize("snr_db", [0, 5, 10])
@pytest.mark.parametrize("noise", [white, brown, hum])
@pytest.mark.parametrize("name", ["two_cities", "beckett"])
def test_mixtures_are_measured_within_three_decibels(vad: SileroVad, name: str, noise: object, snr_db: int) -> None:
    assert callable(noise)
    speech = recording(name)[: 20 * SECOND]
    sound = noise(len(speech) / SECOND)[: len(speech)]
    gain = np.sqrt(active_power(speech, vad) / np.mean(sound**2) * 10 ** (-snr_db / 10))
    mixture = np.asarray(speech + gain * sound, np.float32)
    measured_db = estimate_snr_db(mixture, vad.speech_probabilities(mixture))
    assert measured_db == pytest.approx(snr_db, abs=3.0)


def test_without_a_pause_the_floor_below_the_speech_is_measured(vad: SileroVad) -> None:
    speech = recording("two_cities")[: 20 * SECOND]
    frames = len(speech) // FRAME_SAMPLES
    active = np.repeat(vad.speech_probabilities(speech)[:frames] > 0.5, FRAME_SAMPLES)
    gapless = speech[: len(active)][active]
    sound = white(len(gapless) / SECOND)
    mixture = np.asarray(gapless + sound * np.sqrt(np.mean(gapless**2) / 10), np.float32)
    certain = np.ones(len(mixture) // FRAME_SAMPLES, np.float32)
    assert estimate_snr_db(mixture, certain) == pytest.approx(10.0, abs=4.0)


def bursts(signal: Samples) -> tuple[Samples, Probabilities]:
    """Two seconds of signal between seconds of digital silence, and what a perfect detector says of it."""
    silence = np.zeros(32 * FRAME_SAMPLES, np.float32)
    probabilities = np.repeat(np.array([0.0, 1.0, 0.0], np.float32), [32, 62, 32])
    return np.concatenate((silence, signal[: 62 * FRAME_SAMPLES], silence)), probabilities


def test_neither_level_nor_offset_matters() -> None:
    samples, probabilities = bursts(white(2))
    noisy = samples + 0.1 * white(len(samples) / SECOND)
    measured_db = estimate_snr_db(noisy, probabilities)
    assert measured_db == pytest.approx(20.0, abs=0.5)
    assert estimate_snr_db(noisy * np.float32(1e-3), probabilities) == pytest.approx(measured_db, abs=0.01)
    assert estimate_snr_db(noisy + np.float32(0.3), probabilities) == pytest.approx(measured_db, abs=0.1)


def test_silence_between_words_is_the_highest_ratio() -> None:
    samples, probabilities = bursts(white(2))
    assert estimate_snr_db(samples, probabilities) == HIGHEST_SNR_DB


def test_speech_below_the_noise_is_the_lowest_ratio() -> None:
    samples, probabilities = bursts(white(2))
    noisier_outside = white(len(samples) / SECOND) * np.where(samples == 0.0, 1.0, 0.5).astype(np.float32)
    assert estimate_snr_db(noisier_outside, probabilities) == LOWEST_SNR_DB


@pytest.mark.parametrize("samples", [0, 10, 511, 1024])
def test_too_little_speech_has_no_ratio(samples: int) -> None:
    assert estimate_snr_db(white(1)[:samples], np.ones(-(-samples // FRAME_SAMPLES), np.float32)) is None


def test_nobody_speaking_has_no_ratio() -> None:
    assert estimate_snr_db(white(3), np.zeros(94, np.float32)) is None


def test_a_cancelled_estimate_stops() -> None:
    with pytest.raises(Cancelled):
        estimate_snr_db(white(3), np.ones(94, np.float32), lambda: True)
