"""A language model in this process: any causal model of transformers with a chat template.

Greedy, in batches, and with the beginning of the answer put into its mouth, after which small models, too, go on with
JSON. transformers has no decoding by schema of its own; what comes out is read and guarded like any answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from deployments.checkpoints.fetching import fetch
from deployments.errors import EngineUnavailable, ServiceUnavailable
from deployments.offload import EngineThreads
from deployments.refinement.polish.model import Prompt
from deployments.refinement.polish.options import CheckpointOptions
from deployments.stopping import ShouldStop, raise_if_stopped
from deployments.torch_runtime import halving, placement_of

_ANSWER_START = '{"edits":'
_ANSWER_ENDS = ("]}", "] }", "]\n}")


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """A prompt and who waits for its answer."""

    text: str
    max_tokens: int
    timeout_s: float
    answer: asyncio.Future[str]


class CheckpointModel:
    """Implements LanguageModel with a checkpoint.

    Prompts that come while a batch runs are the next one. Code that a checkpoint brings along is never run.

    Raises:
        EngineUnavailable: transformers, a file, the device or a chat template is missing.
    """

    def __init__(self, options: CheckpointOptions) -> None:
        placement = placement_of(options.torch)
        self._batch_size = options.batch_size
        self._device = placement.device
        self._tokenizer, self._model = _load(fetch(options.checkpoint, options.cache), placement.dtype)
        self._model.to(placement.device).eval()
        self._longest = int(getattr(self._model.config, "max_position_embeddings", None) or 1 << 30)
        self._threads = EngineThreads(1)
        self._waiting: list[_Waiting] = []
        self._worker: asyncio.Task[None] | None = None

    async def complete(self, prompt: Prompt, *, max_tokens: int, timeout_s: float) -> str:
        """See LanguageModel."""
        text = self._written(prompt)
        if len(self._tokenizer(text, add_special_tokens=False)["input_ids"]) + max_tokens > self._longest:
            raise ServiceUnavailable("A passage is longer than the language model reads")
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(text, max_tokens, timeout_s, answer))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await answer

    async def _work(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[: self._batch_size], self._waiting[self._batch_size :]
            batch = [waiting for waiting in batch if not waiting.answer.done()]
            if not batch:
                continue
            try:
                texts = await self._threads.run(partial(self._answers, batch))
            except Exception as error:
                for waiting in batch:
                    if not waiting.answer.done():
                        waiting.answer.set_exception(_told(error))
                continue
            for waiting, text in zip(batch, texts, strict=True):
                if not waiting.answer.done():
                    waiting.answer.set_result(text)

    def _written(self, prompt: Prompt) -> str:
        from jinja2 import TemplateError

        messages = [{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}]
        try:
            return self._templated(messages) + _ANSWER_START
        except TemplateError:
            # Some families, Gemma's among them, know no such role.
            both = [{"role": "user", "content": f"{prompt.system}\n\n{prompt.user}"}]
            return self._templated(both) + _ANSWER_START

    def _templated(self, messages: list[dict[str, str]]) -> str:
        # Models that think aloud before they answer are told not to; templates of others do not look at it.
        text: str = self._tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, enable_thinking=False
        )
        return text

    def _answers(self, batch: Sequence[_Waiting], should_stop: ShouldStop) -> list[str]:
        def nobody_waits() -> bool:
            return should_stop() or all(waiting.answer.done() for waiting in batch)

        texts = halving(partial(self._generated, nobody_waits=nobody_waits), batch)
        raise_if_stopped(should_stop)
        return texts

    def _generated(self, batch: Sequence[_Waiting], *, nobody_waits: ShouldStop) -> list[str]:
        import torch
        from transformers import StoppingCriteriaList

        def abandoned(tokens: Any, _scores: Any, **_: Any) -> Any:
            return torch.full((len(tokens),), nobody_waits(), device=tokens.device)

        inputs = self._tokenizer(
            [waiting.text for waiting in batch], return_tensors="pt", padding=True, add_special_tokens=False
        ).to(self._device)
        length = inputs["input_ids"].shape[1]
        most = max(waiting.max_tokens for waiting in batch)
        with torch.inference_mode():
            output = self._model.generate(
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                do_sample=False,
                num_beams=1,
                max_new_tokens=most,
                max_time=max(waiting.timeout_s for waiting in batch),
                stop_strings=list(_ANSWER_ENDS),
                tokenizer=self._tokenizer,
                stopping_criteria=StoppingCriteriaList([abandoned]),
            )
        answers: list[str] = self._tokenizer.batch_decode(output[:, length:], skip_special_tokens=True)
        return [_ANSWER_START + answer for answer in answers]


def _told(error: Exception) -> Exception:
    if isinstance(error, ServiceUnavailable):
        return error
    told = ServiceUnavailable("The language model failed")
    told.__cause__ = error
    return told


def _load(folder: Path, dtype: Any) -> tuple[Any, Any]:
    try:
        from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
    except ImportError as error:
        raise EngineUnavailable("A language model checkpoint needs transformers: install rayscribe[torch]") from error
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, padding_side="left")
        model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=dtype)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise EngineUnavailable(f"The language model in {folder} cannot be loaded: {error}") from error
    if tokenizer.chat_template is None:
        raise EngineUnavailable(f"The language model in {folder} has no chat template: it takes no instructions")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    # Checkpoints come with settings for drawing samples, which greedy decoding warns about.
    model.generation_config = GenerationConfig(
        eos_token_id=model.generation_config.eos_token_id or tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return tokenizer, model
