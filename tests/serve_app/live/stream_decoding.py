"""Streams that are decoded message by message, cut anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from deployments.contracts import Samples
from serve_app.live.audio.stream_decoder import StreamDecoder
from serve_app.live.contracts import AudioFormat, Encoding


def decoded(audio: AudioFormat, messages: Sequence[bytes]) -> Samples:
    decoder = StreamDecoder(audio)
    return np.concatenate([*(decoder.decode(message) for message in messages), decoder.flush()])


def pieces(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[first:last] for first, last in pairwise(edges)]


cuts = st.lists(st.integers(0, 1 << 30), max_size=20)
OGG = AudioFormat(Encoding.OGG_OPUS)
OPUS = AudioFormat(Encoding.OPUS)
