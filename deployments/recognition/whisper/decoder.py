"""Whisper's text decoder, step by step, on the modules of a transformers checkpoint.

The modules, their weights and the order of the arithmetic are those of transformers; what is written out here is the
way through them. It is a hundred lines, and gives what WhisperForConditionalGeneration.generate does not:

* a prompt and a language for each row,
* the audio's keys and values computed once for the first decoding, the retries and the alignment,
* rows that leave when they are done,
* attention weights of a few heads without leaving the fast kernels or hooking the model, so that threads need no lock,
* no host work but launching: generate spends more time between the kernels of a step than in them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import WhisperForConditionalGeneration

# Slots that attention looks at come in steps of this: a compiled step is compiled for few lengths, and the kernels for
# half precision want masks whose rows begin at multiples of 16 bytes.
SLOT_STEP = 64

Step = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]
Compiler = Callable[[Step], Step]


@dataclass(frozen=True, slots=True, eq=False)
class AudioMemory:
    """What the decoder sees of a batch of windows: keys and values [layers, 2, rows, heads, frames, head size]."""

    states: Tensor

    def __len__(self) -> int:
        rows: int = self.states.shape[2]
        return rows

    @property
    def frames(self) -> int:
        """Of a window, padding included."""
        frames: int = self.states.shape[4]
        return frames

    def between(self, first: int, end: int) -> AudioMemory:
        """The rows [first, end), not copied."""
        return AudioMemory(self.states[:, :, first:end])

    def rows(self, chosen: Sequence[int] | Tensor) -> AudioMemory:
        """Those rows, copied; itself where they are all of them."""
        index = torch.as_tensor(chosen, device=self.states.device)
        return self if len(index) == len(self) else AudioMemory(self.states.index_select(2, index))


@dataclass(frozen=True, slots=True, eq=False)
class TextMemory:
    """Keys and values of the text so far [layers, 2, rows, heads, slots, head size]; steps write into it."""

    states: Tensor

    def until(self, slots: int) -> Tensor:
        """The states of the first slots, not copied."""
        return self.states[:, :, :, :, :slots]

    def rows(self, chosen: Tensor) -> TextMemory:
        """Those rows, copied."""
        return TextMemory(self.states.index_select(2, chosen))


class TextDecoder:
    """The decoder of one checkpoint. Calls may overlap.

    Args:
        model: in evaluation mode, on its device.
        compiler: torch.compile or the like, for the function that is most of a step; None runs it as it is.
    """

    def __init__(self, model: WhisperForConditionalGeneration, compiler: Compiler | None = None) -> None:
        config = model.config
        self._decoder = model.model.decoder
        self._project = model.proj_out
        self._layers: int = config.decoder_layers
        self._heads: int = config.decoder_attention_heads
        self._head_size: int = config.d_model // config.decoder_attention_heads
        self.most_positions: int = config.max_target_positions
        self.vocabulary_size: int = config.vocab_size
        self.device: torch.device = model.device
        self.dtype: torch.dtype = model.dtype
        self._step: Step = self._through
        if compiler is not None:
            self._step = compiler(self._through)
            self._compile(config.max_source_positions)

    def audio_memory(self, encoded: Tensor) -> AudioMemory:
        """From the encoder's output [rows, frames, width]."""
        rows, frames, _ = encoded.shape
        shape = (self._layers, 2, rows, self._heads, frames, self._head_size)
        states = torch.empty(shape, device=self.device, dtype=self.dtype)
        for index, layer in enumerate(self._decoder.layers):
            states[index, 0] = self._by_head(layer.encoder_attn.k_proj(encoded))
            states[index, 1] = self._by_head(layer.encoder_attn.v_proj(encoded))
        return AudioMemory(states)

    def text_memory(self, rows: int, slots: int) -> TextMemory:
        """Empty, for that many rows and at least that many slots. Zeroed: what is masked must still be a number."""
        shape = (self._layers, 2, rows, self._heads, _rounded_up(slots), self._head_size)
        return TextMemory(torch.zeros(shape, device=self.device, dtype=self.dtype))

    def read(self, tokens: Tensor, padding: Tensor, text: TextMemory, audio: AudioMemory) -> Tensor:
        """Read prefixes [rows, length], padded on the left by padding [rows], into empty memory.

        Returns the hidden states [rows, length, width]; those of padding mean nothing.
        """
        length = tokens.shape[1]
        slots = torch.arange(length, device=self.device)
        positions = (slots - padding[:, None]).clamp_min(0)
        seen = torch.arange(_rounded_up(length), device=self.device)
        visible = (seen <= slots[:, None]) & (seen >= padding[:, None, None])
        # A row of padding sees itself: softmax over nothing is no number, and would spread as a value.
        visible |= seen == slots[:, None]
        return self._through(tokens, positions, slots, visible[:, None], text.until(visible.shape[-1]), audio.states)

    def step(self, tokens: Tensor, slot: int, padding: Tensor, text: TextMemory, audio: AudioMemory) -> Tensor:
        """Read one more token of each row [rows] into the slot; returns the hidden states [rows, width]."""
        seen = torch.arange(_rounded_up(slot + 1), device=self.device)
        visible = (seen <= slot) & (seen >= padding[:, None])
        slots = torch.full((1,), slot, device=self.device)
        # Rows with long prompts are done, but may still be here, when the others reach the last positions.
        positions = (slot - padding[:, None]).clamp_max(self.most_positions - 1)
        seen_text = text.until(visible.shape[-1])
        return self._step(tokens[:, None], positions, slots, visible[:, None, None], seen_text, audio.states)[:, 0]

    def logits(self, hidden: Tensor) -> Tensor:
        """Of the next token, float32 [rows, vocabulary], from hidden states [rows, width]."""
        return self._project(hidden).float()

    def attention(self, tokens: Tensor, audio: AudioMemory, heads: Mapping[int, Sequence[int]]) -> Tensor:
        """How much some heads (by layer) look at each frame while the texts [rows, length] are read.

        Returns the scores before softmax, float32 [rows, heads, length, frames]. Padding on the right does not matter.
        """
        hidden = self._embed(tokens, torch.arange(tokens.shape[1], device=self.device)[None])
        scores = []
        for index in range(max(heads) + 1):
            layer, (keys, values) = self._decoder.layers[index], audio.states[index]
            attention = layer.self_attn
            normed = layer.self_attn_layer_norm(hidden)
            spoken = self._by_head(attention.k_proj(normed)), self._by_head(attention.v_proj(normed))
            read = self._attend(attention, self._queries(attention, normed), *spoken, None, is_causal=True)
            hidden = hidden + read
            queries = self._queries(layer.encoder_attn, layer.encoder_attn_layer_norm(hidden))
            if index in heads:
                chosen = torch.tensor(heads[index], device=self.device)
                looking = queries.index_select(1, chosen) * layer.encoder_attn.scaling
                scores.append((looking @ keys.index_select(1, chosen).transpose(-1, -2)).float())
            hidden = self._feed_forward(layer, hidden + self._attend(layer.encoder_attn, queries, keys, values, None))
        return torch.cat(scores, dim=1)

    def _compile(self, frames: int) -> None:
        """Make torch compile all that steps will ever need: nothing may be compiled while callers wait.

        One row is a case of its own to torch.compile. More than one are not, but a size that happens to equal another
        when a kernel is made is taken to equal it always: 64 slots and the size of a head, say, hence the second size.
        """
        with torch.inference_mode():
            for rows in (1, 3):
                nothing = torch.zeros(rows, dtype=torch.long, device=self.device)
                silence = torch.zeros(rows, frames, self._heads * self._head_size, device=self.device, dtype=self.dtype)
                audio = self.audio_memory(silence)
                text = self.text_memory(rows, 3 * SLOT_STEP)
                for slot in (0, SLOT_STEP, 2 * SLOT_STEP):
                    self.step(nothing, slot, nothing, text, audio)

    def _through(
        self, tokens: Tensor, positions: Tensor, slots: Tensor, visible: Tensor, text: Tensor, audio: Tensor
    ) -> Tensor:
        hidden = self._embed(tokens, positions)
        for index, layer in enumerate(self._decoder.layers):
            attention = layer.self_attn
            normed = layer.self_attn_layer_norm(hidden)
            text[index, 0].index_copy_(2, slots, self._by_head(attention.k_proj(normed)))
            text[index, 1].index_copy_(2, slots, self._by_head(attention.v_proj(normed)))
            queries = self._queries(attention, normed)
            hidden = hidden + self._attend(attention, queries, text[index, 0], text[index, 1], visible)
            queries = self._queries(layer.encoder_attn, layer.encoder_attn_layer_norm(hidden))
            heard = self._attend(layer.encoder_attn, queries, audio[index, 0], audio[index, 1], None)
            hidden = self._feed_forward(layer, hidden + heard)
        return self._decoder.layer_norm(hidden)

    def _embed(self, tokens: Tensor, positions: Tensor) -> Tensor:
        return self._decoder.embed_tokens(tokens) + self._decoder.embed_positions.weight[positions]

    def _queries(self, attention: torch.nn.Module, hidden: Tensor) -> Tensor:
        return self._by_head(attention.q_proj(hidden))

    def _by_head(self, projected: Tensor) -> Tensor:
        return projected.unflatten(-1, (self._heads, self._head_size)).transpose(1, 2)

    @staticmethod
    def _attend(
        attention: torch.nn.Module,
        queries: Tensor,
        keys: Tensor,
        values: Tensor,
        visible: Tensor | None,
        *,
        is_causal: bool = False,
    ) -> Tensor:
        # Scaled in there: two launches a layer less than with queries that are scaled, as in transformers. Whisper's
        # scale is a power of two, so that nothing is rounded differently.
        seen = scaled_dot_product_attention(
            queries, keys, values, attn_mask=visible, is_causal=is_causal, scale=attention.scaling
        )
        return attention.out_proj(seen.transpose(1, 2).flatten(2))

    @staticmethod
    def _feed_forward(layer: torch.nn.Module, hidden: Tensor) -> Tensor:
        return hidden + layer.fc2(layer.activation_fn(layer.fc1(layer.final_layer_norm(hidden))))


def _rounded_up(slots: int) -> int:
    return math.ceil(slots / SLOT_STEP) * SLOT_STEP
