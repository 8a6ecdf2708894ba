from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.contracts import SAMPLE_RATE_HZ
from deployments.decode.limits import DecodeLimits
from deployments.decode.offset_remover import OffsetRemover
from deployments.decode.pyav_engine import PyAvDecoder
from tests.examples import examples
from tests.fakes.audio_files import encode_wav, hiss, sine

pytestmark = pytest.mark.unit

RATE_HZ = 8_000


def decode(data: bytes) -> npt.NDArray[np.float32]:
    return PyAvDecoder(DecodeLimits()).decode(data).samples


def without_offset(samples: npt.NDArray[np.floating], *, cuts: list[int] | None = None) -> npt.NDArray[np.float32]:
    """Of one channel at RATE_HZ, in pieces that end after those many hops."""
    remover = OffsetRemover(1, RATE_HZ)
    block = samples.astype(np.float32)[None].copy()
    edges = [0, *(cut * remover.hop_samples for cut in sorted(cuts or [])), block.shape[1]]
    for start, end in pairwise(edges):
        remover.remove(block[:, start:end])
    return np.asarray(block[0])


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100, 192_000, 768_000])
@pytest.mark.parametrize("offset", [0.2, -0.5])
def test_a_constant_offset_is_taken_out_from_the_first_sample(offset: float, rate_hz: int) -> None:
    quiet = sine(500.0, 3.0, rate_hz, amplitude=0.01)

    samples = decode(encode_wav(quiet + offset, rate_hz))

    expected = sine(500.0, 3.0, amplitude=0.01)
    inside = slice(0, None) if rate_hz == SAMPLE_RATE_HZ else slice(200, -200)
    np.testing.assert_allclose(samples[inside], expected[inside], atol=2**-13)


@pytest.mark.parametrize("duration_s", [0.001, 0.1, 0.3])
def test_a_short_recording_loses_its_offset_too(duration_s: float) -> None:
    samples = decode(encode_wav(np.full(round(duration_s * SAMPLE_RATE_HZ), 0.25)))

    np.testing.assert_allclose(samples, 0.0, atol=1e-6)


def test_an_offset_that_moves_is_followed() -> None:
    moving = np.linspace(0.0, 0.3, 30 * RATE_HZ)

    assert np.abs(without_offset(moving)).max() < 0.005


@pytest.mark.parametrize("frequency_hz", [80.0, 83.7, 101.0, 250.0, 1000.0])
@pytest.mark.parametrize("phase", [0.0, 1.0, 2.0])
def test_speech_stays_as_it_is(frequency_hz: float, phase: float) -> None:
    """Within -60 dB from 80 Hz on."""
    tone = np.sin(2 * np.pi * frequency_hz * np.arange(2.6 * RATE_HZ) / RATE_HZ + phase)

    np.testing.assert_allclose(without_offset(tone), tone, atol=1e-3)


def test_a_recording_without_an_offset_stays_bit_for_bit() -> None:
    clean = hiss(10.0, RATE_HZ) + 0.0004

    np.testing.assert_array_equal(without_offset(clean), clean.astype(np.float32))


def test_silence_behind_sound_on_an_offset_is_zero() -> None:
    samples = without_offset(np.concatenate([np.full(RATE_HZ, 0.2), np.zeros(5 * RATE_HZ)]))

    assert not samples[2 * RATE_HZ :].any()


@given(st.lists(st.integers(0, 12), max_size=6), st.integers(0, 10_000))
@settings(max_examples=examples(50), deadline=None)
def test_the_result_does_not_depend_on_the_pieces(cuts: list[int], rest: int) -> None:
    noise = np.random.default_rng(rest).normal(0.2, 0.1, 12 * RATE_HZ // 4 + rest)

    np.testing.assert_allclose(without_offset(noise, cuts=cuts), without_offset(noise), atol=1e-6)


@pytest.mark.parametrize("offset", [0.002, 0.05, 0.3])
def test_an_offset_in_both_channels_does_not_hide_that_they_cancel_out(offset: float) -> None:
    tone = sine(500.0, 3.0)

    samples = decode(encode_wav(np.stack([offset + tone, offset - tone])))

    np.testing.assert_allclose(samples, tone, atol=2**-13)


def test_a_hum_in_both_channels_does_not_hide_that_they_cancel_out() -> None:
    tone, hum = sine(500.0, 3.0), sine(100.0, 3.0, amplitude=0.05)

    samples = decode(encode_wav(np.stack([hum + tone, hum - tone])))

    np.testing.assert_allclose(samples, hum + tone, atol=2**-13)
