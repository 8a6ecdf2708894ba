from __future__ import annotations

import numpy as np
import pytest

from deployments.contracts import SAMPLE_RATE_HZ, Samples
from deployments.decode.limits import DecodeLimits
from deployments.decode.pyav_engine import PyAvDecoder
from tests.fakes.audio_files import AudioFormat, encode, encode_wav, sine

pytestmark = pytest.mark.unit


def decode(data: bytes) -> Samples:
    return PyAvDecoder(DecodeLimits()).decode(data).samples


@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
@pytest.mark.parametrize("codec", ["pcm_f32le", "pcm_f64le"])
def test_16_bit_values_in_a_float_file_have_their_level(codec: str, rate_hz: int) -> None:
    """As scipy.io.wavfile.write leaves them where the caller forgot to divide."""
    tone = sine(500.0, 5.0, rate_hz)

    samples = decode(encode_wav(tone * 2.0**15, rate_hz, codec))

    np.testing.assert_allclose(samples[800:-800], sine(500.0, 5.0)[800:-800], atol=2**-12)


def test_16_bit_values_in_a_wavpack_file_have_their_level() -> None:
    tone = sine(500.0, 5.0)

    samples = decode(encode(tone * 2.0**15, AudioFormat("wv", "wavpack", sample_format="fltp")))

    np.testing.assert_allclose(samples, tone, atol=2**-12)


def test_quiet_16_bit_values_stay_quiet() -> None:
    tone = sine(500.0, 5.0, amplitude=0.01)

    samples = decode(encode_wav(tone * 2.0**15, codec="pcm_f32le"))

    np.testing.assert_allclose(samples, tone, atol=2**-12)


@pytest.mark.parametrize("bits", [24, 32])
def test_wider_integers_in_a_float_file_are_brought_to_full_scale(bits: int) -> None:
    tone = sine(500.0, 5.0, amplitude=0.5)

    samples = decode(encode_wav(tone * 2.0 ** (bits - 1), codec="pcm_f32le"))

    np.testing.assert_allclose(samples, 2 * tone, atol=2**-12)


def test_floats_that_are_somewhat_too_loud_stay_as_they_are() -> None:
    tone = sine(500.0, 5.0, amplitude=4.0)

    np.testing.assert_allclose(decode(encode_wav(tone, codec="pcm_f32le")), tone, atol=2**-10)


@pytest.mark.parametrize("stray", [40.0, 30_000.0, -1e9, 1e30, np.inf, -np.inf, np.nan])
def test_a_few_damaged_floats_are_silence_and_change_nothing_else(stray: float) -> None:
    tone = sine(500.0, 20.0)
    tone[SAMPLE_RATE_HZ : SAMPLE_RATE_HZ + 100] = stray

    samples = decode(encode_wav(tone, codec="pcm_f32le"))

    tone[SAMPLE_RATE_HZ : SAMPLE_RATE_HZ + 100] = 0.0
    np.testing.assert_allclose(samples, tone, atol=2**-12)
