from __future__ import annotations

import numpy as np
import pytest

from deployments.decode.deployment import Decoder
from deployments.decode.limits import DecodeLimits
from deployments.errors import AudioTooLong
from tests.fakes.audio_files import encode_wav, sine

pytestmark = pytest.mark.unit


async def test_a_caller_may_lower_the_limit_on_seconds_and_not_raise_it() -> None:
    decoder = Decoder(DecodeLimits(max_duration_s=2.0))
    short, long = (np.frombuffer(encode_wav(sine(440.0, seconds)), np.uint8) for seconds in (1.5, 3.0))
    assert (await decoder.decode(short)).duration_s == 1.5
    for data, limit_s in ((short, 1.0), (long, 10.0), (long, None)):
        with pytest.raises(AudioTooLong):
            await decoder.decode(data, limit_s)
