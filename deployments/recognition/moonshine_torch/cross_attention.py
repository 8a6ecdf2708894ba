"""What the decoder's heads look at, recorded beside the fused attention, which does not tell."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch

Head = tuple[int, int]
"""A layer of the decoder, and a head of it."""


@dataclass(slots=True, eq=False)
class Recording:
    """Attention of one pass of the decoder; mask is that of the encoder's frames, [B, T]."""

    mask: torch.Tensor
    by_layer: dict[int, torch.Tensor] = field(default_factory=dict)

    def attention(self) -> torch.Tensor:
        """[B, heads, tokens, T], float32, the heads in the order of their layers."""
        return torch.cat([self.by_layer[layer] for layer in sorted(self.by_layer)], dim=1)


class CrossAttentionRecorder:
    """Computes the attention of some heads again while a pass of the decoder is recorded.

    The hooks stay in the model and do nothing unless the thread that runs it is recording, so that calls may overlap.
    """

    def __init__(self, decoder: Any, heads: Sequence[Head]) -> None:
        self._thread = threading.local()
        for layer in sorted({layer for layer, _ in heads}):
            chosen = [head for at, head in heads if at == layer]
            attention = decoder.layers[layer].encoder_attn
            attention.register_forward_pre_hook(partial(self._record, layer, chosen), with_kwargs=True)

    @contextmanager
    def recording(self, mask: torch.Tensor) -> Iterator[Recording]:
        """Record what this thread runs meanwhile."""
        self._thread.recording = recording = Recording(mask)
        try:
            yield recording
        finally:
            self._thread.recording = None

    def _record(
        self, layer: int, heads: list[int], attention: Any, _args: tuple[Any, ...], inputs: dict[str, Any]
    ) -> None:
        recording: Recording | None = getattr(self._thread, "recording", None)
        if recording is None:
            return
        queries = _heads(attention.q_proj(inputs["hidden_states"]), attention.head_dim)[:, heads]
        keys = _heads(attention.k_proj(inputs["key_value_states"]), attention.head_dim)[:, heads]
        scores = (queries @ keys.transpose(2, 3)).float() * attention.scaling
        recording.by_layer[layer] = scores.masked_fill(~recording.mask[:, None, None], -torch.inf).softmax(-1)


def _heads(projected: torch.Tensor, head_size: int) -> torch.Tensor:
    """[B, length, H * D] -> [B, H, length, D]."""
    return projected.unflatten(-1, (-1, head_size)).transpose(1, 2)
