from __future__ import annotations

import numpy as np
import pytest

from load_tests.decoding import decode
from load_tests.long_recordings import encode_opus, long_recording

pytestmark = pytest.mark.unit

ONE_SECOND = np.full(16_000, 0.5, np.float32)
LEVEL = np.float32(0.07)


def test_length_is_exact_and_parts_are_whole() -> None:
    made = long_recording([(ONE_SECOND, "red"), (ONE_SECOND, "river")], 20.0)
    assert made.duration_s == 20.0
    loud = int((np.isclose(made.samples, LEVEL)).sum())
    assert loud % 16_000 == 0
    assert made.text is not None
    assert len(made.text.split()) == loud // 16_000


def test_quiet_and_loud_parts_come_out_alike() -> None:
    made = long_recording([(ONE_SECOND * np.float32(0.001), "red"), (ONE_SECOND, "river")], 20.0)
    assert np.isclose(made.samples, LEVEL).sum() % 16_000 == 0
    assert np.abs(made.samples).max() < 0.08


def test_pauses_are_quiet_but_not_digital_silence() -> None:
    samples = long_recording([(ONE_SECOND, "red")], 10.0).samples
    pauses = samples[~np.isclose(samples, LEVEL)]
    assert np.count_nonzero(pauses) > 0.99 * len(pauses)
    assert np.abs(pauses).max() < 0.01


def test_the_same_call_gives_the_same_recording() -> None:
    parts = [(ONE_SECOND, word) for word in ("red", "river", "stone")]
    first, second = long_recording(parts, 15.0), long_recording(parts, 15.0)
    assert first.text == second.text
    assert np.array_equal(first.samples, second.samples)


def test_one_part_of_unknown_words_makes_all_unknown() -> None:
    assert long_recording([(ONE_SECOND, "red"), (ONE_SECOND, None)], 20.0).text is None


def test_parts_must_not_be_empty() -> None:
    with pytest.raises(ValueError, match="not empty"):
        long_recording([], 10.0)


def test_what_is_encoded_can_be_decoded_at_the_same_length() -> None:
    tone = 0.3 * np.sin(np.arange(25 * 16_000) * 2 * np.pi * 440 / 16_000).astype(np.float32)
    data = encode_opus(tone)
    assert len(data) < 25 * 8000
    decoded = decode(data)
    assert decoded.duration_s == pytest.approx(25.0, abs=0.05)
    assert np.sqrt(np.mean(decoded.samples**2)) == pytest.approx(0.3 / np.sqrt(2), rel=0.1)
