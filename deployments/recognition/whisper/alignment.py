"""Word times from cross-attention, the method of the reference (openai/whisper, timing.py), for a batch.

Some heads of the decoder look at the audio where the next token is spoken; each checkpoint names them. Their attention,
normalised and smoothed, is cut by dynamic time warping (Sakoe & Chiba 1978) into one run of frames a token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from deployments.recognition.whisper.decoder import AudioMemory, TextDecoder
from deployments.recognition.whisper.warping import token_starts

FRAME_S = 0.02
"""One frame of the encoder's output: two of the features."""

# What the scores of a pass may take, 1 GiB; a checkpoint that does not name its heads has 320 of them.
_MOST_SCORES = 2**28


def token_scores(scores: Tensor, frames: int, first: int, end: int) -> Tensor:
    """How well each of the tokens [first, end) fits each frame, float64 [end - first, frames], for one text.

    Args:
        scores: attention of the alignment heads before softmax, [heads, tokens read, frames of the whole window]. All
            tokens read count for the normalisation.
        frames: of speech; attention to the padding behind them is left out.
        first: the first row wanted. Row i shows where the token that follows token i is spoken.
        end: the end of the rows wanted.
    """
    weights = scores[:, :, :frames].softmax(dim=-1)
    deviation, mean = torch.std_mean(weights, dim=-2, keepdim=True, correction=0)
    normalised = ((weights - mean) / deviation.clamp_min(1e-8))[:, first:end]
    smoothed = median_of_7(normalised) if frames > 3 else normalised
    return smoothed.mean(dim=0).double()


# A sorting network that sorts just enough of seven values for the middle one to be in place (J. L. Smith 1996; opt_med7
# of N. Devillard): 13 minima and maxima of whole tensors. On a CPU 12 heads, 100 tokens and 1400 frames take 35 ms,
# and 115 with scipy.ndimage.median_filter, 135 with torch.median over unfolded windows.
_MEDIAN_NETWORK = (
    *((0, 5), (0, 3), (1, 6), (2, 4), (0, 1), (3, 5), (2, 6)),
    *((2, 3), (3, 6), (4, 5), (1, 4), (1, 3), (3, 4)),
)


def median_of_7(values: Tensor) -> Tensor:
    """The running median along the last dimension, which has at least four values and is reflected at its ends."""
    padded = torch.nn.functional.pad(values, (3, 3), mode="reflect")
    lanes = [padded[..., lane : lane + values.shape[-1]].clone() for lane in range(7)]
    # In place: a new tensor for each of 26 results takes up to ten times as long on a CPU.
    spare = torch.empty_like(values)
    for low, high in _MEDIAN_NETWORK:
        torch.minimum(lanes[low], lanes[high], out=spare)
        torch.maximum(lanes[low], lanes[high], out=lanes[high])
        lanes[low], spare = spare, lanes[low]
    return lanes[3]


@dataclass(frozen=True, slots=True)
class AlignmentHeads:
    """Heads by layer."""

    by_layer: Mapping[int, tuple[int, ...]]

    @classmethod
    def of(cls, generation: Mapping[str, object], layers: int, heads: int) -> AlignmentHeads:
        """From a generation_config.json; all heads of the upper half of the layers, as in the reference, where it names
        none."""
        listed = generation.get("alignment_heads")
        every = [(layer, head) for layer in range(layers // 2, layers) for head in range(heads)]
        by_layer: dict[int, tuple[int, ...]] = {}
        for layer, head in sorted(listed) if isinstance(listed, list) and listed else every:
            by_layer[layer] = (*by_layer.get(layer, ()), head)
        return cls(by_layer)

    @property
    def count(self) -> int:
        """Of all layers."""
        return sum(len(heads) for heads in self.by_layer.values())


@dataclass(frozen=True, slots=True)
class SpokenText:
    """What is aligned with one window: text after a task, and how many frames of the window are not padding."""

    task: tuple[int, ...]
    tokens: tuple[int, ...]
    frames: int


class Aligner:
    """Finds when tokens are spoken, by reading the texts once more. Calls may overlap."""

    def __init__(self, decoder: TextDecoder, heads: AlignmentHeads, end_token: int) -> None:
        self._decoder = decoder
        self._heads = heads
        self._end_token = end_token

    def starts_s(self, texts: Sequence[SpokenText], audio: AudioMemory) -> list[npt.NDArray[np.float64]]:
        """For each text the starts of its tokens and, last, the end of the last token."""
        longest = max(len(text.task) + len(text.tokens) for text in texts) + 1
        rows = max(1, _MOST_SCORES // (self._heads.count * longest * audio.frames))
        starts: list[npt.NDArray[np.float64]] = []
        for first in range(0, len(texts), rows):
            some = texts[first : first + rows]
            scores = self._decoder.attention(
                self._padded(some), audio.between(first, first + rows), self._heads.by_layer
            )
            starts.extend(_starts_s(some, scores))
        return starts

    def _padded(self, texts: Sequence[SpokenText]) -> Tensor:
        # A text that fills the decoder leaves no place for its end.
        most = self._decoder.most_positions
        read = [[*text.task, *text.tokens, self._end_token][:most] for text in texts]
        length = max(map(len, read))
        padded = [[*row, *[self._end_token] * (length - len(row))] for row in read]
        return torch.tensor(padded, device=self._decoder.device)


def _starts_s(texts: Sequence[SpokenText], scores: Tensor) -> list[npt.NDArray[np.float64]]:
    """From the scores of some texts; the device is waited for once."""
    counts = [len(text.tokens) + 1 for text in texts]
    frames = [text.frames for text in texts]
    fits = torch.zeros((len(texts), max(counts), max(frames)), dtype=torch.float64, device=scores.device)
    for fit, text, row, count in zip(fits, texts, scores, counts, strict=True):
        first = len(text.task) - 1
        fit[:count, : text.frames] = token_scores(row[:, : first + count + 1], text.frames, first, first + count)
    spans = torch.tensor([counts, frames], device=scores.device)
    starts = token_starts(fits, *spans).cpu().numpy()
    return [np.multiply(row[:count], FRAME_S, dtype=np.float64) for row, count in zip(starts, counts, strict=True)]
