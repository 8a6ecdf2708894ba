"""What a language model is, and how much it may cost. Nothing heavy is imported here."""

from __future__ import annotations

from dataclasses import dataclass, field

from deployments.checkpoints.cache import CheckpointCache
from deployments.checkpoints.source import CheckpointSource
from deployments.torch_runtime import TorchSettings


@dataclass(frozen=True, slots=True)
class EndpointOptions:
    """A server that speaks OpenAI's chat completions: vLLM, Ray Serve LLM, llama.cpp, OpenAI itself.

    Attributes:
        url: up to and with its ``/v1``.
        model: the name that the server knows it by.
        api_key_env: environment variable that holds the key; None: the server wants none.
        concurrent_calls: of this replica, over all its requests.
    """

    url: str
    model: str
    api_key_env: str | None = None
    concurrent_calls: int = 8


@dataclass(frozen=True, slots=True)
class CheckpointOptions:
    """A causal model with a chat template, in the form that transformers saves.

    Attributes:
        checkpoint: where the configuration, the tokenizer and the weights are.
        cache: where fetched weights are kept.
        torch: where and how it runs.
        batch_size: passages that are worked on together.
    """

    checkpoint: CheckpointSource
    cache: CheckpointCache
    torch: TorchSettings = field(default_factory=TorchSettings)
    batch_size: int = 8


@dataclass(frozen=True, slots=True)
class LanguageModelOptions:
    """A language model and its limits.

    Attributes:
        source: where it is.
        timeout_s: for the polish of one request; what is not done then stays as it was recognised.
        max_tokens: of prompts and answers together that one request may cost.
        max_edit_rate: part of a passage's words that may be changed; a model that wants more is not believed at all.
    """

    source: EndpointOptions | CheckpointOptions
    timeout_s: float = 20.0
    max_tokens: int = 50_000
    max_edit_rate: float = 0.15
