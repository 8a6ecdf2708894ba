"""Greedy search of a transducer, all windows of a batch in step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from transformers.models.parakeet.generation_parakeet import ParakeetRNNTDecoderCache

from deployments.recognition.frame_synchronous.frame_words import FrameToken


@dataclass(frozen=True, slots=True)
class Transduced:
    """What was heard in one window; blank_log_probability is the mean over the steps at which nothing was."""

    tokens: tuple[FrameToken, ...]
    blank_log_probability: float


def greedy_search(model: Any, encoded: torch.Tensor, frames: torch.Tensor) -> list[Transduced]:
    """Greedy RNN-T (Graves 2012, arXiv:1211.3711) and TDT (Xu et al. 2023, arXiv:2304.06795) search.

    At each step a window's joint network says a token, or none, and by how many frames to go on. transformers' own
    ``generate`` does the same, but keeps the state of a call in the model, so that calls cannot overlap; gives no
    probabilities; goes on emitting for windows that have ended; and lets a token of no duration repeat for ever.

    Args:
        model: ParakeetForTDT or ParakeetForRNNT.
        encoded: projected output of its encoder, [B, T, D].
        frames: how many of the T belong to each window, [B].
    """
    config = model.config
    rows = torch.arange(len(encoded), device=encoded.device)
    token = torch.full_like(rows, config.blank_token_id)
    at, said = torch.zeros_like(rows), torch.zeros_like(rows)
    history = ParakeetRNNTDecoderCache(config)
    steps, log_probabilities = [], []
    while bool((active := at < frames).any()):
        # A row whose token is blank keeps its state.
        context = model.decoder(token[:, None], cache=history)[:, 0]
        scores = model.joint(
            encoder_hidden_states=encoded[rows, at.clamp(max=encoded.shape[1] - 1)], decoder_hidden_states=context
        ).float()
        best = scores[:, : config.vocab_size].log_softmax(-1).max(-1)
        token = best.indices.masked_fill(~active, config.blank_token_id)
        is_blank = token == config.blank_token_id
        ahead = _frames_ahead(scores[:, config.vocab_size :], is_blank, config)
        said = torch.where(ahead > 0, 0, said + 1)
        ahead = torch.where(said >= config.max_symbols_per_step, 1, ahead)
        said = torch.where(ahead > 0, 0, said)
        steps.append(torch.stack([token, at, ahead, active.long()]))
        log_probabilities.append(best.values)
        at = at + ahead
    return _collect(
        torch.stack(steps, -1).tolist(), torch.stack(log_probabilities, -1).tolist(), frames.tolist(), config
    )


def _frames_ahead(duration_scores: torch.Tensor, is_blank: torch.Tensor, config: Any) -> torch.Tensor:
    """[B]; nothing lasts at least one frame."""
    if not duration_scores.shape[1]:
        return is_blank.long()
    durations = torch.tensor(config.durations, device=is_blank.device)[duration_scores.argmax(-1)]
    return torch.where(is_blank, durations.clamp(min=1), durations)


def _collect(
    steps: list[list[list[int]]], log_probabilities: list[list[float]], frames: list[int], config: Any
) -> list[Transduced]:
    """Steps [4, B, S] = (token, frame, frames ahead, active) and log probabilities [B, S] as tokens by window."""
    transduced = []
    for *row, row_log_probabilities, last in zip(*steps, log_probabilities, frames, strict=True):
        tokens, blanks = [], []
        for token, frame, ahead, active, log_probability in zip(*row, row_log_probabilities, strict=True):
            if not active:
                break
            if token == config.blank_token_id:
                blanks.append(log_probability)
            else:
                tokens.append(FrameToken(token, frame, min(frame + max(1, ahead), last), log_probability))
        transduced.append(Transduced(tuple(tokens), sum(blanks) / len(blanks) if blanks else 0.0))
    return transduced
