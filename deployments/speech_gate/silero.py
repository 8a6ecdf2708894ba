"""Silero VAD on ONNX Runtime: how probable speech is, every 32 ms.

Model: Silero Team, silero-vad 6.2 (MIT), its sequence form, which takes many frames in one call and runs the recurrent
layer over them inside the graph. The file is read out of the installed package, which is never imported: importing it
needs torch, which this install does not have.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from deployments.contracts import SAMPLE_RATE_HZ, Samples
from deployments.errors import EngineUnavailable
from deployments.onnx_runtime import open_session
from deployments.stopping import ShouldStop, never, raise_if_stopped

FRAME_SAMPLES = 512
"""New samples in each frame, as the 16 kHz model was trained."""

FRAME_S = FRAME_SAMPLES / SAMPLE_RATE_HZ
"""One frame lasts 32 ms; frame i covers i * FRAME_S to (i + 1) * FRAME_S."""

CONTEXT_SAMPLES = 64
"""Samples of the frame before that the model sees in front of each frame."""

_BLOCK_FRAMES = 512
"""Frames in one ONNX call, 16 s: long enough that Python costs nothing, short enough that memory does not grow with the
recording and that a cancelled request stops within some tens of milliseconds."""

_QUIET_DBFS = -40.0
"""Stretches whose loudest frame is below this are brought up to it: attenuated to -50 dBFS the model lost 4 % of the
speech of 18 clips, to -60 dBFS 31 %, to -70 dBFS 88 %; at -40 dBFS 2 %, and no noise passed for speech."""

MEMORY_FRAMES = round(5.0 / FRAME_S)
"""How long a loud frame keeps what is quiet beside it from being brought up: pauses must not be, but a beep must not
cost the quiet speech behind it. Of 21 minutes of speech whose level changes every 15 s by up to 40 dB, 85.8 s were lost
with one gain for each minute, 39.0, 40.9, 46.1 and 57.9 s with 3, 5, 8 and 12 s; 3 s took more noise for speech."""

_CLICK_RATIO = 100.0
"""Twenty dB louder than both neighbours is a click: one loud sample is enough, and must not keep the speech of seconds
from being brought up. Of 16.5 s of speech at -58 dBFS with one every 3 s, 6.2 s were lost with them and 2.2 s without
(1.0 s where there is none). The median of every three frames did no better, and moved regions that have none."""

_MOST_GAIN_DB = 40.0
"""More would only bring up the last bit of 16."""

Probabilities = npt.NDArray[np.float32]
"""Speech probability of each frame, shape [frames], within 0..1."""


def model_path() -> Path:
    """Where the installed silero-vad package keeps the 16 kHz sequence model.

    Raises:
        EngineUnavailable: the package is missing, or is a version without that file.
    """
    spec = importlib.util.find_spec("silero_vad")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "data" / "silero_vad_16k_sequence.onnx"
        if path.is_file():
            return path
    raise EngineUnavailable(
        "The voice activity model is not installed. Get it, without torch, by: pip install --no-deps silero-vad==6.2.3"
    )


@dataclass(frozen=True, slots=True, eq=False)
class RecurrentState:
    """What the network remembers of the frames before: hidden and cell of its LSTM, shape [1, 1, 128] each."""

    hidden: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros((1, 1, 128), np.float32))
    cell: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros((1, 1, 128), np.float32))


class SileroVad:
    """Speech probabilities of whole recordings. Holds no state between calls; one instance serves many threads."""

    def __init__(self, block_frames: int = _BLOCK_FRAMES) -> None:
        self._session = open_session(model_path())
        self._block_frames = block_frames

    def speech_probabilities(self, samples: Samples, should_stop: ShouldStop = never) -> Probabilities:
        """Probability of speech in each frame of 32 ms.

        Args:
            samples: mono at 16 kHz, shape [n]; the last frame is filled up with zeros.
            should_stop: asked once for every 16 s of audio.

        Returns:
            float32, shape [ceil(n / 512)].

        Raises:
            Cancelled: should_stop turned true.
        """
        frame_count = -(-len(samples) // FRAME_SAMPLES)
        probabilities = np.empty(frame_count, np.float32)
        gains = gains_for(_loudness(frame_power(samples), frame_count))
        state = RecurrentState()
        for first in range(0, frame_count, self._block_frames):
            raise_if_stopped(should_stop)
            last = min(first + self._block_frames, frame_count)
            frames = _frames(samples, first, last) * gains[first:last]
            probabilities[first:last], state = self.advance(frames, state)
        return probabilities

    def advance(self, frames: Samples, state: RecurrentState) -> tuple[Probabilities, RecurrentState]:
        """Go on behind the frames that led to ``state``: one call of the network.

        Args:
            frames: each of 512 new samples behind the 64 before them, shape [frames, 576], at least one; zeros stand
                before the first sample.
            state: what an earlier call returned; RecurrentState() at the start.

        Returns:
            Probability of speech in each frame, shape [frames], and the state behind the last.
        """
        probabilities, hidden, cell = self._session.run(
            ["speech_probs", "hn", "cn"], {"input": frames, "h": state.hidden, "c": state.cell}
        )
        return probabilities, RecurrentState(hidden, cell)


def _frames(samples: Samples, first: int, last: int) -> Samples:
    """Frames first..last-1 behind their contexts, shape [last - first, 576]; zeros outside the recording."""
    start = first * FRAME_SAMPLES - CONTEXT_SAMPLES
    stretch = samples[max(start, 0) : last * FRAME_SAMPLES]
    padded = np.zeros(CONTEXT_SAMPLES + (last - first) * FRAME_SAMPLES, np.float32)
    offset = max(-start, 0)
    padded[offset : offset + len(stretch)] = stretch
    windows = np.lib.stride_tricks.sliding_window_view(padded, CONTEXT_SAMPLES + FRAME_SAMPLES)
    return windows[::FRAME_SAMPLES]


def frame_power(samples: Samples) -> npt.NDArray[np.float64]:
    """Mean power of each whole frame without its constant offset, shape [len(samples) // 512]."""
    whole = samples[: len(samples) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    mean = whole.mean(axis=1, dtype=np.float64)
    return np.asarray(np.einsum("fs,fs->f", whole, whole) / FRAME_SAMPLES - mean**2, np.float64)


def without_clicks(power: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Of each three frames in a row the middle one, or their median where that is a click, shape [frames - 2]."""
    before, at, after = power[:-2], power[1:-1], power[2:]
    median = np.maximum(np.minimum(before, at), np.minimum(np.maximum(before, at), after))
    return np.where(at > _CLICK_RATIO * median, median, at)


def loudest_lately(power: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The loudest of each frame and the MEMORY_FRAMES before it, for the frames that have so many before them.

    Args:
        power: shape [MEMORY_FRAMES + frames].

    Returns:
        Shape [frames].
    """
    return np.asarray(np.lib.stride_tricks.sliding_window_view(power, MEMORY_FRAMES + 1).max(axis=1))


def gains_for(loudest_power: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """The factors that make frames with those loudest near them loud enough for the model: 1 for all but quiet audio.

    Args:
        loudest_power: shape [frames].

    Returns:
        Shape [frames, 1].
    """
    loudest_dbfs = 10 * np.log10(np.maximum(loudest_power, 1e-12))
    gain_db = np.clip(_QUIET_DBFS - loudest_dbfs, 0.0, _MOST_GAIN_DB)
    return np.asarray(10 ** (gain_db / 20), np.float32)[:, np.newaxis]


def _loudness(power: npt.NDArray[np.float64], frame_count: int) -> npt.NDArray[np.float64]:
    """What the gain of each frame goes by, shape [frame_count]: what is around it, but no less than it is itself."""
    own = np.pad(power, (0, frame_count - len(power)))
    return np.maximum(_loudest_around(without_clicks(np.pad(power, 1)), frame_count), own)


def _loudest_around(power: npt.NDArray[np.float64], frame_count: int) -> npt.NDArray[np.float64]:
    """The loudest frame shortly before or shortly after each frame, whichever is less, shape [frame_count].

    The less: quiet speech is quiet whether something loud came before it or comes after it. Outside, the recording
    counts as loud as its loudest frame, so that it has one gain where it is short.
    """
    loudest = float(np.max(power, initial=0.0))
    unknown = (MEMORY_FRAMES, MEMORY_FRAMES + frame_count - len(power))
    lately = loudest_lately(np.pad(power, unknown, constant_values=loudest))
    return np.minimum(lately[:frame_count], lately[MEMORY_FRAMES:])
