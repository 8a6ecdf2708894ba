from __future__ import annotations

import io
from dataclasses import replace

import av
import numpy as np
import pytest

from deployments.contracts import SAMPLE_RATE_HZ, Samples
from deployments.decode.limits import DecodeLimits
from deployments.decode.pyav_engine import PyAvDecoder
from deployments.errors import UnsupportedAudio
from tests.fakes.audio_files import FORMATS, AudioFormat, encode, encode_wav, hiss, sine

pytestmark = pytest.mark.unit

TONE_HZ = 1000.0
DURATION_S = 2.0
AMPLITUDE = 0.25


def decoder() -> PyAvDecoder:
    return PyAvDecoder(DecodeLimits())


def strongest_hz(samples: Samples) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * SAMPLE_RATE_HZ / len(samples))


def level_db(samples: Samples) -> float:
    """RMS level against full scale, without the first and last quarter second (codecs fade in)."""
    edge = SAMPLE_RATE_HZ // 4
    return float(10 * np.log10(np.mean(np.square(samples[edge:-edge], dtype=np.float64)) + 1e-12))


def side_by_side(*files: bytes) -> bytes:
    """One Matroska file with the tracks of all."""
    both = io.BytesIO()
    with av.open(both, "w", format="matroska") as target:
        sources = [av.open(io.BytesIO(file), "r") for file in files]
        streams = [target.add_stream_from_template(source.streams.audio[0]) for source in sources]
        for source, stream in zip(sources, streams, strict=True):
            for packet in source.demux(audio=0):
                if packet.pts is not None:
                    packet.stream = stream
                    target.mux(packet)
            source.close()
    return both.getvalue()


@pytest.mark.parametrize("name", FORMATS)
def test_a_tone_keeps_its_frequency_level_and_length(name: str) -> None:
    audio_format = FORMATS[name]
    data = encode(sine(TONE_HZ, DURATION_S, audio_format.rate_hz, AMPLITUDE), audio_format)

    waveform = decoder().decode(data)

    samples = waveform.samples
    assert waveform.warnings == ()
    assert samples.dtype == np.float32
    assert samples.ndim == 1
    assert samples.flags.c_contiguous
    assert samples.flags.owndata
    # Bare frame streams keep the encoder's delay and padding: two frames of AAC.
    assert waveform.duration_s == pytest.approx(DURATION_S, abs=0.13)
    assert strongest_hz(samples) == pytest.approx(TONE_HZ, abs=2.0)
    # AMR models a voice, not a tone, and takes 1.5 dB off it.
    level_tolerance_db = 2.0 if "amr" in name else 0.5
    assert level_db(samples) == pytest.approx(20 * np.log10(AMPLITUDE / np.sqrt(2)), abs=level_tolerance_db)


@pytest.mark.parametrize("codec", ["pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le", "pcm_s64le"])
def test_16_khz_mono_pcm_is_not_resampled(codec: str) -> None:
    signal = hiss(3.1, amplitude=1.0)

    samples = decoder().decode(encode_wav(signal, codec=codec)).samples

    assert len(samples) == len(signal)
    np.testing.assert_allclose(samples, signal, atol=2**-14)


def test_u8_silence_is_zero() -> None:
    samples = decoder().decode(encode_wav(np.zeros(1600), codec="pcm_u8")).samples

    assert not samples.any()


def test_a_tone_above_8_khz_does_not_fold_back() -> None:
    data = encode_wav(sine(8_500.0, DURATION_S, 44_100, AMPLITUDE), rate_hz=44_100)

    assert level_db(decoder().decode(data).samples) < -80.0


def test_a_tone_at_7_khz_passes_the_resampler() -> None:
    data = encode_wav(sine(7_000.0, DURATION_S, 44_100, AMPLITUDE), rate_hz=44_100)

    level = level_db(decoder().decode(data).samples)

    assert level == pytest.approx(20 * np.log10(AMPLITUDE / np.sqrt(2)), abs=0.2)


def test_stereo_is_the_mean_of_its_channels() -> None:
    left, right = sine(500.0, 1.0), sine(1500.0, 1.0)

    samples = decoder().decode(encode_wav(np.stack([left, right]))).samples

    np.testing.assert_allclose(samples, (left + right) / 2, atol=2**-14)


@pytest.mark.parametrize("right_gain", [-1.0, -0.95])
def test_stereo_of_opposite_polarity_is_not_lost(right_gain: float) -> None:
    """As where the wires of one microphone are crossed: the mean is silence, or nearly."""
    left = sine(500.0, 1.0)

    samples = decoder().decode(encode_wav(np.stack([left, right_gain * left]))).samples

    np.testing.assert_allclose(samples, left, atol=2**-14)


def test_of_channels_that_cancel_out_the_same_one_is_kept_throughout() -> None:
    """A bit louder on one side and then on the other; a change would turn the wave over."""
    tone, fade = sine(500.0, 60.0), np.linspace(0.95, 1.05, 60 * SAMPLE_RATE_HZ)

    samples = decoder().decode(encode_wav(np.stack([tone, -fade * tone]))).samples

    np.testing.assert_allclose(samples, tone, atol=2**-14)


def test_surround_with_only_the_bass_channel_is_silent() -> None:
    surround = AudioFormat("wav", "pcm_f32le", channels=6)
    channels = np.zeros((6, SAMPLE_RATE_HZ))
    channels[3] = sine(60.0, 1.0)

    assert not decoder().decode(encode(channels, surround)).samples.any()


def test_surround_keeps_dialogue_and_drops_the_bass_channel() -> None:
    surround = AudioFormat("wav", "pcm_f32le", channels=6)
    silence = np.zeros(SAMPLE_RATE_HZ)
    front_left, front_center, bass = sine(500.0, 1.0), sine(1000.0, 1.0), sine(60.0, 1.0)
    channels = np.stack([front_left, silence, front_center, bass, silence, silence])

    samples = decoder().decode(encode(channels, surround)).samples

    # ITU-R BS.775: centre 1, sides 0.7071, rear 0.5, scaled to a sum of 1.
    expected = (front_center + 0.7071 * front_left) / (1.0 + 2 * 0.7071 + 2 * 0.5)
    np.testing.assert_allclose(samples, expected, atol=1e-6)


def test_the_bytes_may_be_a_read_only_array_from_shared_memory() -> None:
    data = np.frombuffer(encode_wav(sine(TONE_HZ, 1.0)), np.uint8)
    assert not data.flags.writeable

    assert decoder().decode(data).duration_s == 1.0


def test_nan_is_silence_and_infinity_is_bounded_without_spreading() -> None:
    signal = sine(TONE_HZ, 1.0, 48_000)
    signal[10_000] = np.nan
    signal[30_000:30_002] = np.inf, -np.inf

    samples = decoder().decode(encode_wav(signal, rate_hz=48_000, codec="pcm_f32le")).samples

    assert np.isfinite(samples).all()
    np.testing.assert_allclose(samples[4_000:9_000], sine(TONE_HZ, 1.0)[4_000:9_000], atol=0.3)


@pytest.mark.parametrize("name", ["mp3-without-length-tag", "aac-adts"])
def test_a_rate_that_changes_inside_the_file_is_followed(name: str) -> None:
    # Frame streams may be joined end to end, as podcasts with an inserted spot are.
    first = FORMATS[name]
    second = replace(first, rate_hz=48_000, channels=2)

    waveform = decoder().decode(
        encode(sine(TONE_HZ, 3.0, first.rate_hz), first) + encode(sine(TONE_HZ, 3.0, second.rate_hz), second)
    )

    assert waveform.duration_s == pytest.approx(6.0, abs=0.3)
    assert waveform.warnings == ()
    assert strongest_hz(waveform.samples[: 2 * SAMPLE_RATE_HZ]) == pytest.approx(TONE_HZ, abs=2.0)
    assert strongest_hz(waveform.samples[-2 * SAMPLE_RATE_HZ :]) == pytest.approx(TONE_HZ, abs=2.0)


def test_ogg_files_in_a_row_are_one_recording() -> None:
    link = FORMATS["ogg-opus"]

    waveform = decoder().decode(encode(sine(TONE_HZ, 2.0, link.rate_hz), link) * 2)

    assert waveform.duration_s == pytest.approx(4.0, abs=0.05)


def test_a_track_that_can_be_decoded_is_taken_where_the_best_one_cannot() -> None:
    """As of a film whose main sound is of a cinema's codec."""
    cinema = AudioFormat("matroska", "tta", 48_000, 6)
    plain = FORMATS["mka-flac"]
    files = encode(sine(300.0, DURATION_S, cinema.rate_hz), cinema), encode(sine(TONE_HZ, DURATION_S), plain)
    with pytest.raises(UnsupportedAudio, match="codec is not supported"):
        decoder().decode(files[0])

    for pair in (files, files[::-1]):
        assert strongest_hz(decoder().decode(side_by_side(*pair)).samples) == pytest.approx(TONE_HZ, abs=2.0)
