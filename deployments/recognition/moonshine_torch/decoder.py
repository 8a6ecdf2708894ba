"""Moonshine's text decoder, token by token, on the modules of a transformers checkpoint.

The weights and the order of the arithmetic are those of transformers; what is written out here is the way through them.
``generate`` does not say what the heads look at, so that word times took a second pass over the text, and works for
most of a step on the host.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear, scaled_dot_product_attention
from transformers.models.moonshine.modeling_moonshine import apply_rotary_pos_emb

Head = tuple[int, int]
"""A layer of the decoder, and a head of it."""


@dataclass(frozen=True, slots=True, eq=False)
class AudioMemory:
    """What the decoder sees of a batch of windows.

    Attributes:
        keys: multiplied by the scale of attention, [layers, rows, heads, head size, frames].
        values: [layers, rows, heads, frames, head size].
        inside: which frames are no padding, [rows, frames].
        bias: 0 where inside and minus infinity elsewhere, [rows, 1, 1, frames].
    """

    keys: Tensor
    values: Tensor
    inside: Tensor
    bias: Tensor

    def rows(self, chosen: Tensor) -> AudioMemory:
        """Those rows, copied."""
        return AudioMemory(
            self.keys.index_select(1, chosen),
            self.values.index_select(1, chosen),
            self.inside[chosen],
            self.bias[chosen],
        )


@dataclass(frozen=True, slots=True, eq=False)
class TextMemory:
    """Keys and values of the text so far; steps write into it.

    Attributes:
        states: [layers, 2, rows, heads, slots, head size].
        rotations: of queries and keys in each slot, [slots, head size, head size].
    """

    states: Tensor
    rotations: Tensor

    def rows(self, chosen: Tensor) -> TextMemory:
        """Those rows, copied."""
        return TextMemory(self.states.index_select(2, chosen), self.rotations)


class TextDecoder:
    """The decoder of one checkpoint. Calls may overlap.

    Args:
        model: MoonshineForConditionalGeneration in evaluation mode, on its device.
        heads: whose attention steps tell.
    """

    def __init__(self, model: Any, heads: Sequence[Head]) -> None:
        self._decoder, self._project = model.model.decoder, model.proj_out
        self._layers: int = len(self._decoder.layers)
        self._heads: int = model.config.decoder_num_attention_heads
        self._head_size: int = self._decoder.layers[0].self_attn.head_dim
        self._width = self._heads * self._head_size
        self._told = {
            layer: torch.tensor([head for at, head in heads if at == layer], device=model.device)
            for layer in {layer for layer, _ in heads}
        }
        self.device: torch.device = model.device
        self.dtype: torch.dtype = model.dtype
        with torch.inference_mode():
            self._projections = [_joined(layer.self_attn) for layer in self._decoder.layers]

    def audio_memory(self, encoded: Tensor, inside: Tensor) -> AudioMemory:
        """From the encoder's output [rows, frames, width] and which of the frames are no padding [rows, frames]."""
        rows, frames, _ = encoded.shape
        keys = encoded.new_empty(self._layers, rows, self._heads, self._head_size, frames)
        values = encoded.new_empty(self._layers, rows, self._heads, frames, self._head_size)
        for index, layer in enumerate(self._decoder.layers):
            attention = layer.encoder_attn
            keys[index] = self._by_head(attention.k_proj(encoded) * attention.scaling).permute(0, 2, 3, 1)
            values[index] = self._by_head(attention.v_proj(encoded)).transpose(1, 2)
        bias = torch.zeros(inside.shape, device=self.device, dtype=self.dtype).masked_fill_(~inside, -torch.inf)
        return AudioMemory(keys, values, inside, bias[:, None, None])

    def text_memory(self, rows: int, slots: int) -> TextMemory:
        """Empty, for that many rows and tokens of each."""
        shape = (self._layers, 2, rows, self._heads, slots, self._head_size)
        states = torch.empty(shape, device=self.device, dtype=self.dtype)
        # A rotation of a vector is its product with the rotation of the unit vectors.
        units = torch.eye(self._head_size, device=self.device, dtype=self.dtype).expand(slots, 1, -1, -1)
        turns = self._decoder.rotary_emb(units, torch.arange(slots, device=self.device)[:, None])
        return TextMemory(states, apply_rotary_pos_emb(units, units, *turns)[0][:, 0])

    def step(self, tokens: Tensor, slot: int, text: TextMemory, audio: AudioMemory) -> tuple[Tensor, Tensor]:
        """Read one more token of each row [rows] into the slot.

        Returns the logits of the next token [rows, vocabulary] and the attention of the told heads, in the order of
        their layers, to the audio while they are found [rows, heads, frames], both float32.
        """
        hidden = self._decoder.embed_tokens(tokens)
        told = []
        for index, layer in enumerate(self._decoder.layers):
            hidden = hidden + self._read(index, layer.input_layernorm(hidden), slot, text)
            heard, weights = self._hear(index, layer.post_attention_layernorm(hidden), audio)
            if index in self._told:
                told.append(weights.index_select(1, self._told[index]))
            hidden = hidden + heard
            hidden = hidden + layer.mlp(layer.final_layernorm(hidden))
        return self._project(self._decoder.norm(hidden)).float(), torch.cat(told, dim=1)

    def _read(self, index: int, normed: Tensor, slot: int, text: TextMemory) -> Tensor:
        """Attention to the text."""
        projected = self._by_head(linear(normed, *self._projections[index]))
        turned = projected[:, : 2 * self._heads] @ text.rotations[slot]
        keys, values = text.states[index, 0], text.states[index, 1]
        keys[:, :, slot] = turned[:, self._heads :]
        values[:, :, slot] = projected[:, 2 * self._heads :]
        seen = scaled_dot_product_attention(
            turned[:, : self._heads, None], keys[:, :, : slot + 1], values[:, :, : slot + 1]
        )
        read: Tensor = self._decoder.layers[index].self_attn.o_proj(seen.flatten(1))
        return read

    def _hear(self, index: int, normed: Tensor, audio: AudioMemory) -> tuple[Tensor, Tensor]:
        """Attention to the audio, and its weights [rows, heads, frames]."""
        attention = self._decoder.layers[index].encoder_attn
        queries = self._by_head(attention.q_proj(normed))[:, :, None]
        weights = (queries @ audio.keys[index] + audio.bias).softmax(dim=-1, dtype=torch.float32)
        seen = weights.to(self.dtype) @ audio.values[index]
        return attention.o_proj(seen.flatten(1)), weights[:, :, 0]

    def _by_head(self, projected: Tensor) -> Tensor:
        return projected.unflatten(-1, (-1, self._head_size))


def _joined(attention: Any) -> tuple[Tensor, Tensor | None]:
    """The projections to queries, keys and values as one: a third of the launches, and one small product less twice."""
    parts = (attention.q_proj, attention.k_proj, attention.v_proj)
    bias = None if parts[0].bias is None else torch.cat([part.bias for part in parts])
    return torch.cat([part.weight for part in parts]), bias
