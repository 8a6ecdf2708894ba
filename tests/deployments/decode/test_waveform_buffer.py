from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts import SAMPLE_RATE_HZ
from deployments.decode.waveform_buffer import WaveformBuffer
from deployments.errors import AudioTooLong

pytestmark = pytest.mark.unit


@given(st.lists(st.integers(0, 3 * SAMPLE_RATE_HZ), max_size=12), st.none() | st.floats(0.001, 30.0))
def test_pieces_come_out_in_order_whatever_length_was_expected(lengths: list[int], expected_s: float | None) -> None:
    pieces = [np.full(length, index, np.float32) for index, length in enumerate(lengths)]
    buffer = WaveformBuffer(max_duration_s=60.0, expected_s=expected_s)
    for piece in pieces:
        buffer.append(piece)

    assert buffer.duration_s == sum(lengths) / SAMPLE_RATE_HZ
    samples = buffer.finish()

    np.testing.assert_array_equal(samples, np.concatenate([np.empty(0, np.float32), *pieces]))
    assert buffer.duration_s == 0.0


def test_a_piece_that_passes_the_limit_is_not_taken() -> None:
    buffer = WaveformBuffer(max_duration_s=1.0, expected_s=None)
    buffer.append(np.zeros(SAMPLE_RATE_HZ, np.float32))

    with pytest.raises(AudioTooLong):
        buffer.append(np.zeros(1, np.float32))

    assert buffer.duration_s == 1.0
