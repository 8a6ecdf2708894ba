"""Moonshine's encoder over windows of different lengths, each as if it were alone."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional
from transformers.masking_utils import create_bidirectional_mask


def encode(encoder: Any, samples: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Encode a padded batch exactly.

    transformers' own forward normalises over the padding, too, and lets the attention see two or three frames of it:
    states then differ by a third of their size from those of the window alone. Here the one layer that looks at the
    whole window, the group normalisation, counts valid frames only, and the mask ends where the window does.

    Args:
        encoder: MoonshineEncoder.
        samples: [B, n], zeros after the shorter windows.
        lengths: in samples, [B].

    Returns:
        States [B, T, D] and the mask of the valid frames [B, T], True inside.
    """
    hidden = functional.tanh(encoder.conv1(samples[:, None]))
    frames = (lengths - 127) // 64 + 1
    hidden = _group_norm(encoder.groupnorm, hidden, _inside(hidden.shape[2], frames))
    hidden = functional.gelu(encoder.conv2(hidden))
    hidden = functional.gelu(encoder.conv3(hidden)).transpose(1, 2)
    frames = ((frames - 7) // 3 + 1 - 3) // 2 + 1
    mask = _inside(hidden.shape[1], frames)
    attention_mask = create_bidirectional_mask(
        config=encoder.config, inputs_embeds=hidden, attention_mask=mask, encoder_hidden_states=hidden
    )
    positions = torch.arange(hidden.shape[1], device=hidden.device)[None]
    rotary = encoder.rotary_emb(hidden, position_ids=positions)
    for layer in encoder.layers:
        hidden = layer(hidden, attention_mask=attention_mask, position_ids=positions, position_embeddings=rotary)
    return encoder.layer_norm(hidden), mask


def _inside(longest: int, frames: torch.Tensor) -> torch.Tensor:
    return torch.arange(longest, device=frames.device) < frames[:, None]


def _group_norm(norm: Any, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Group normalisation with one group over the channels and the valid frames of [B, C, T], in float32."""
    inside = mask[:, None]
    values = hidden.float() * inside
    count = inside.sum((1, 2), keepdim=True) * hidden.shape[1]
    centred = (values - values.sum((1, 2), keepdim=True) / count) * inside
    variance = centred.square().sum((1, 2), keepdim=True) / count
    scaled = centred * torch.rsqrt(variance + norm.eps)
    return (scaled * norm.weight[:, None] + norm.bias[:, None]).to(hidden.dtype)
