from __future__ import annotations

import numpy as np
import pytest

from deployments.contracts import SAMPLE_RATE_HZ, Samples, TimeSpan, TranscriptionWarning, WarningCode, Waveform
from deployments.errors import Cancelled
from deployments.speech_gate.gate import GateSettings, SpeechGateEngine
from tests.fakes.recordings import recording
from tests.fakes.voice_activity import FakeVoiceActivityDetector

pytestmark = pytest.mark.engine

TRUNCATED = TranscriptionWarning(WarningCode.AUDIO_TRUNCATED, "the file ends early")


@pytest.fixture(scope="module")
def gate() -> SpeechGateEngine:
    return SpeechGateEngine()


@pytest.fixture(scope="module")
def speech() -> Samples:
    return recording("two_cities")[: 15 * SAMPLE_RATE_HZ]


def noise(seconds: float, rms: float) -> Samples:
    samples = np.random.default_rng(3).standard_normal(round(seconds * SAMPLE_RATE_HZ))
    return np.asarray(samples * rms, np.float32)


def tones(seconds: float) -> Samples:
    """A melody with overtones, a note each 0.4 s."""
    time_s = np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    note_hz = 220 * 2 ** (np.array([0, 4, 7, 12, 7, 4])[(time_s / 0.4).astype(int) % 6] / 12)
    phase = 2 * np.pi * np.cumsum(note_hz) / SAMPLE_RATE_HZ
    chord = sum(np.sin(overtone * phase) / overtone for overtone in range(1, 6))
    return np.asarray(chord * 0.1 * np.exp(-(time_s % 0.4) * 4), np.float32)


def codes(waveform: Waveform, gate: SpeechGateEngine) -> list[WarningCode]:
    return [warning.code for warning in gate.inspect(waveform).warnings]


def test_speech_passes_with_its_place_and_its_ratio(gate: SpeechGateEngine, speech: Samples) -> None:
    silence = noise(6, 1e-4)
    speech_map = gate.inspect(Waveform(np.concatenate((silence, speech, silence))))
    assert speech_map.duration_s == 27.0
    assert 5.5 < speech_map.regions[0].start_s < 7.0
    assert 20.0 < speech_map.regions[-1].end_s < 22.0
    assert speech_map.snr_db is not None
    assert speech_map.snr_db > 20
    assert speech_map.warnings == ()


@pytest.mark.parametrize("gain_db", [-50, -30, -15])
def test_quiet_speech_is_speech(gate: SpeechGateEngine, speech: Samples, gain_db: int) -> None:
    loud = gate.inspect(Waveform(speech))
    quiet = gate.inspect(Waveform(speech * np.float32(10 ** (gain_db / 20))))
    assert sum(region.duration_s for region in quiet.regions) == pytest.approx(
        sum(region.duration_s for region in loud.regions), rel=0.1
    )


def test_clipped_and_shifted_speech_is_speech(gate: SpeechGateEngine, speech: Samples) -> None:
    assert gate.inspect(Waveform(np.clip(speech * 50, -1, 1).astype(np.float32))).regions
    assert gate.inspect(Waveform(speech * np.float32(0.5) + np.float32(0.3))).regions


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(0, np.float32),
        np.ones(10, np.float32),
        np.zeros(5 * SAMPLE_RATE_HZ, np.float32),
        np.full(5 * SAMPLE_RATE_HZ, 0.5, np.float32),
        np.sign(np.sin(np.arange(5 * SAMPLE_RATE_HZ) * 0.05)).astype(np.float32),
        noise(10, 1e-4),
        noise(10, 1e-3),
        noise(10, 0.2),
        tones(10),
    ],
    ids=[
        "nothing",
        "ten samples",
        "digital zero",
        "constant",
        "square wave",
        "fainter noise",
        "faint noise",
        "loud noise",
        "music",
    ],
)
def test_what_is_no_speech_ends_here(gate: SpeechGateEngine, samples: Samples) -> None:
    speech_map = gate.inspect(Waveform(samples, warnings=(TRUNCATED,)))
    assert speech_map.regions == ()
    assert speech_map.snr_db is None
    assert [warning.code for warning in speech_map.warnings] == [
        WarningCode.AUDIO_TRUNCATED,
        WarningCode.NO_SPEECH_DETECTED,
    ]


def test_speech_under_the_floor_ends_here(speech: Samples) -> None:
    noisy = Waveform(speech + noise(15, float(np.std(speech)) / 2), warnings=(TRUNCATED,))
    strict = SpeechGateEngine(GateSettings(snr_floor_db=20.0))
    speech_map = strict.inspect(noisy)
    assert speech_map.regions == ()
    assert speech_map.snr_db is not None
    assert speech_map.snr_db < 20.0
    assert codes(noisy, strict) == [WarningCode.AUDIO_TRUNCATED, WarningCode.LOW_SNR_DROPPED]
    assert codes(noisy, SpeechGateEngine()) == [WarningCode.AUDIO_TRUNCATED]


def test_the_default_floor_drops_nothing_that_is_heard() -> None:
    heard = FakeVoiceActivityDetector([TimeSpan(1.0, 4.0)])
    covered = noise(6, 0.1)
    covered[SAMPLE_RATE_HZ : 4 * SAMPLE_RATE_HZ] *= 0.1
    speech_map = SpeechGateEngine(vad=heard).inspect(Waveform(covered))
    assert speech_map.snr_db == -10.0
    assert len(speech_map.regions) == 1


def test_the_waveform_is_left_alone(gate: SpeechGateEngine, speech: Samples) -> None:
    shared = speech.copy()
    shared.flags.writeable = False
    assert gate.inspect(Waveform(shared)).regions


def test_a_cancelled_inspection_stops(gate: SpeechGateEngine, speech: Samples) -> None:
    with pytest.raises(Cancelled):
        gate.inspect(Waveform(speech), lambda: True)
