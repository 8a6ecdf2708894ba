"""The arrays of a decoding batch: caches, masks and who descends from whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deployments.recognition.moonshine.graphs import HEAD_SIZE, HEADS, LAYERS
from deployments.recognition.moonshine.weights import Array

_CLOSED = np.float32(-1e9)
# Caches grow by this many steps at a time: copying them at each step would cost more than the step.
_GROWTH_STEPS = 32


@dataclass(frozen=True, slots=True, eq=False)
class EncodedAudio:
    """Cross-attention of one item, by layer: keys [H, D, T] and values [H, T, D]."""

    keys: tuple[Array, ...]
    values: tuple[Array, ...]

    @property
    def frames(self) -> int:
        """T, of 384 samples each."""
        return int(self.keys[0].shape[-1])


class DecoderState:
    """Inputs of the decoder graph for K beams of B items that advance in step.

    A beam's history is a set of cache slots that its row of the mask leaves open. Slots are never moved: a beam that
    continues another takes over that beam's row of the mask.
    """

    def __init__(self, items: Sequence[EncodedAudio], beams: int) -> None:
        self.beams = beams
        self.step = 0
        longest = max(item.frames for item in items)
        self._cross_mask = np.full((len(items), 1, 1, longest), _CLOSED, np.float32)
        self._cross_keys = [np.zeros((len(items), HEADS, HEAD_SIZE, longest), np.float32) for _ in range(LAYERS)]
        self._cross_values = [np.zeros((len(items), HEADS, longest, HEAD_SIZE), np.float32) for _ in range(LAYERS)]
        for row, item in enumerate(items):
            self._cross_mask[row, ..., : item.frames] = 0
            for layer in range(LAYERS):
                self._cross_keys[layer][row, :, :, : item.frames] = item.keys[layer]
                self._cross_values[layer][row, :, : item.frames] = item.values[layer]
        self._keys = [np.zeros((len(items), HEADS, HEAD_SIZE, 0), np.float32) for _ in range(LAYERS)]
        self._values = [np.zeros((len(items), HEADS, 0, HEAD_SIZE), np.float32) for _ in range(LAYERS)]
        self._mask = np.zeros((len(items), 1, beams, 1), np.float32)
        self._grow()

    @property
    def items(self) -> int:
        """B."""
        return len(self._cross_mask)

    def inputs(self, tokens: npt.NDArray[np.int64], candidates: int) -> dict[str, npt.NDArray[np.generic]]:
        """What the graph takes at this step; tokens is [B, K]."""
        inputs: dict[str, npt.NDArray[np.generic]] = {
            "token": tokens.reshape(-1, 1),
            "position": np.full((tokens.size, 1), self.step, np.int64),
            "beams": np.array([-1, self.beams, HEADS, HEAD_SIZE], np.int64),
            "candidates": np.array([candidates], np.int64),
            "self_mask": self._mask,
            "cross_mask": self._cross_mask,
        }
        for layer in range(LAYERS):
            inputs[f"self_key_{layer}"] = self._keys[layer]
            inputs[f"self_value_{layer}"] = self._values[layer]
            inputs[f"cross_key_{layer}"] = self._cross_keys[layer]
            inputs[f"cross_value_{layer}"] = self._cross_values[layer]
        return inputs

    def append(self, keys: Sequence[Array], values: Sequence[Array], parents: npt.NDArray[np.int64]) -> None:
        """Store the step's keys and values [B, H, K, D] and let each new beam descend from its parent [B, K]."""
        first = self.step * self.beams
        slots = slice(first, first + self.beams)
        for layer in range(LAYERS):
            self._keys[layer][..., slots] = keys[layer].transpose(0, 1, 3, 2)
            self._values[layer][:, :, slots] = values[layer]
        rows = np.arange(self.items)[:, None]
        beams = np.arange(self.beams)[None, :]
        self._mask[:, 0] = self._mask[rows, 0, parents]
        self._mask[rows, 0, beams, first + parents] = 0
        self.step += 1
        if (self.step + 1) * self.beams > self._keys[0].shape[-1]:
            self._grow()

    def keep(self, rows: Sequence[int]) -> None:
        """Drop the items that are finished; rows are the indices of those that go on."""
        index = list(rows)
        longest = int((self._cross_mask[index] == 0).sum(axis=-1).max())
        self._cross_mask = np.ascontiguousarray(self._cross_mask[index][..., :longest])
        self._cross_keys = [np.ascontiguousarray(key[index][..., :longest]) for key in self._cross_keys]
        self._cross_values = [np.ascontiguousarray(value[index][:, :, :longest]) for value in self._cross_values]
        self._keys = [key[index] for key in self._keys]
        self._values = [value[index] for value in self._values]
        self._mask = self._mask[index]

    def _grow(self) -> None:
        more = _GROWTH_STEPS * self.beams
        key_room = np.zeros((self.items, HEADS, HEAD_SIZE, more), np.float32)
        value_room = np.zeros((self.items, HEADS, more, HEAD_SIZE), np.float32)
        self._keys = [np.concatenate([key, key_room], axis=-1) for key in self._keys]
        self._values = [np.concatenate([value, value_room], axis=2) for value in self._values]
        mask_room = np.full((self.items, 1, self.beams, more), _CLOSED, np.float32)
        # The last column is the step's own key and stays open.
        self._mask = np.concatenate([self._mask[..., :-1], mask_room, self._mask[..., -1:]], axis=-1)
