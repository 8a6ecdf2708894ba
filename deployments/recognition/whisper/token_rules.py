"""Which tokens a text may have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from deployments.recognition.whisper.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True, eq=False)
class TokenRules:
    """What may be written: biases [vocabulary] that are 0 or minus infinity, for the first token and for the others."""

    at_first: Tensor
    later: Tensor
    end_token: int
    no_speech_token: int


def token_rules(
    tokenizer: Tokenizer, generation: Mapping[str, object], vocabulary_size: int, device: torch.device
) -> TokenRules:
    """The checkpoint's own lists, and no commands or times: not to ask for those does not keep Whisper from them."""
    later = torch.zeros(vocabulary_size, device=device)
    later[_listed(generation.get("suppress_tokens"))] = -torch.inf
    later[tokenizer.end_token + 1 :] = -torch.inf
    later[tokenizer.end_token] = 0.0
    at_first = later.clone()
    at_first[_listed(generation.get("begin_suppress_tokens"))] = -torch.inf
    return TokenRules(at_first, later, tokenizer.end_token, tokenizer.no_speech_token)


def _listed(tokens: object) -> list[int]:
    return [int(token) for token in tokens if int(token) >= 0] if isinstance(tokens, Iterable) else []
