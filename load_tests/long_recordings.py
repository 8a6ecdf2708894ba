"""Long recordings with known words, made of short real ones with pauses between them."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import av
import numpy as np

from deployments.contracts import SAMPLE_RATE_HZ, Samples
from load_tests.decoding import decode
from load_tests.recordings import Recording

OPUS_BIT_RATE = 32_000
"""Two hours are 29 MB, well under the service's limit of 100 MB; FLAC of the same would be over it."""
_PAUSES_S = (0.4, 0.8, 1.5)
# Room tone, not digital silence: recordings of people have no gaps of zeros in them. -66 dBFS.
ROOM_TONE_RMS = 0.0005
# The clips of the set lie between -17 and -67 dBFS. Nobody records two people fifty decibels apart, and joined as they
# are, the quietest drown in the room tone and are dropped by the gate: 17 % word errors against 6 % levelled.
_SPEECH_RMS = 0.07
_ENCODED_AT_ONCE = 10 * SAMPLE_RATE_HZ
_SEED = 7


@dataclass(frozen=True, slots=True, eq=False)
class LongRecording:
    """Audio and all its words; ``text`` is None where a part's words are not known."""

    samples: Samples
    text: str | None

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / SAMPLE_RATE_HZ


def long_recording(parts: Sequence[tuple[Samples, str | None]], duration_s: float) -> LongRecording:
    """Whole parts at one level in a shuffled order, again and again, until the next one would exceed the length.

    The rest is a last pause, so that the length is exact. The same call gives the same recording.
    """
    if not any(len(samples) for samples, _ in parts):
        raise ValueError("a long recording needs parts that are not empty")
    rng = np.random.default_rng(_SEED)
    room = rng.normal(0.0, ROOM_TONE_RMS, round(duration_s * SAMPLE_RATE_HZ)).astype(np.float32)
    texts: list[str | None] = []
    position = 0
    for part, pause_s in zip(_shuffled(parts, rng), itertools.cycle(_PAUSES_S), strict=False):
        samples, text = part
        if position + len(samples) > len(room):
            break
        room[position : position + len(samples)] = levelled(samples)
        position += len(samples) + round(pause_s * SAMPLE_RATE_HZ)
        texts.append(text)
    known = [text for text in texts if text is not None]
    return LongRecording(room, " ".join(known) if len(known) == len(texts) else None)


def parts_of(recordings: Sequence[Recording]) -> list[tuple[Samples, str | None]]:
    """Decoded recordings and their words."""
    return [(decode(recording.read()).samples, recording.text) for recording in recordings]


def encode_opus(samples: Samples) -> bytes:
    """Ogg Opus, mono at 16 kHz."""
    file = io.BytesIO()
    with av.open(file, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=SAMPLE_RATE_HZ, layout="mono")
        stream.bit_rate = OPUS_BIT_RATE
        for first in range(0, len(samples), _ENCODED_AT_ONCE):
            piece = np.clip(samples[first : first + _ENCODED_AT_ONCE], -1.0, 1.0) * 32767
            frame = av.AudioFrame.from_ndarray(piece.astype(np.int16)[None], format="s16", layout="mono")
            frame.sample_rate = SAMPLE_RATE_HZ
            frame.pts = first
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def levelled(samples: Samples) -> Samples:
    """The same at the level of all parts."""
    rms = float(np.sqrt(np.mean(np.square(samples), dtype=np.float64)))
    return samples * np.float32(_SPEECH_RMS / rms) if rms else samples


def _shuffled(
    parts: Sequence[tuple[Samples, str | None]], rng: np.random.Generator
) -> Iterator[tuple[Samples, str | None]]:
    while True:
        yield from (parts[index] for index in rng.permutation(len(parts)))
