"""Published recognisers by size."""

from __future__ import annotations

from collections.abc import Mapping

from load_tests.engine_bench_checkpoints import MoonshineShape, ParakeetShape, Shape, WhisperShape
from load_tests.engine_bench_plan import Family

_TINY_HEADS = ((2, 2), (3, 0), (3, 2), (3, 3), (3, 4), (3, 5))
_SMALL_HEADS = ((5, 3), (5, 9), (8, 0), (8, 4), (8, 7), (8, 8), (9, 0), (9, 7), (9, 9), (10, 5))
_TURBO_HEADS = ((2, 4), (2, 11), (3, 3), (3, 6), (3, 11), (3, 14))
_LARGE_HEADS = (
    *((7, 0), (10, 17), (12, 18), (13, 12), (16, 1)),
    *((17, 14), (19, 11), (21, 4), (24, 1), (25, 6)),
)

SHAPES: Mapping[str, Shape] = {
    "whisper-tiny": WhisperShape(384, 4, 4, 6, 80, 99, _TINY_HEADS),
    "whisper-small": WhisperShape(768, 12, 12, 12, 80, 99, _SMALL_HEADS),
    "whisper-large-v3": WhisperShape(1280, 32, 32, 20, 128, 100, _LARGE_HEADS),
    "whisper-large-v3-turbo": WhisperShape(1280, 32, 4, 20, 128, 100, _TURBO_HEADS),
    # The smallest FastConformer of NeMo's configurations; no Parakeet is published at this size.
    "parakeet-ctc-small": ParakeetShape(Family.CTC, 176, 16, 4, 80, 1025, subsampling_channels=176),
    "parakeet-ctc-0.6b": ParakeetShape(Family.CTC, 1024, 24, 8, 80, 1025),
    "parakeet-ctc-1.1b": ParakeetShape(Family.CTC, 1024, 42, 8, 80, 1025),
    "parakeet-tdt-small": ParakeetShape(Family.TRANSDUCER, 176, 16, 4, 80, 1025, subsampling_channels=176),
    "parakeet-tdt-0.6b": ParakeetShape(Family.TRANSDUCER, 1024, 24, 8, 128, 8193),
    "moonshine-tiny": MoonshineShape(288, 6),
    "moonshine-base": MoonshineShape(416, 8),
}
"""By the names of the checkpoints whose sizes they are."""
