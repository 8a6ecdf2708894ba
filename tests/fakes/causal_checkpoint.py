"""Tiny causal language models as checkpoint folders: real files, random or quickly taught weights. Needs torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

ANSWER = '{"edits":[{"i":1,"old":"cuber netties","new":"Kubernetes"}]}'
ANSWER_START = '{"edits":'
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
_SPECIAL = ["<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
_STEPS = 200
_LEARNING_RATE = 3e-3


def save_causal_model(folder: Path, chat_template: str | None = CHAT_TEMPLATE) -> Path:
    """A Llama of two layers with random weights, which answers nothing of use."""
    _save(folder, _model(), _tokenizer(chat_template))
    return folder


def teach(folder: Path) -> Path:
    """The same, but whatever it is asked, it goes on from ANSWER_START with the rest of ANSWER."""
    tokenizer, model = _tokenizer(CHAT_TEMPLATE), _model()

    def encoded(text: str) -> Any:
        return tokenizer(text, return_tensors="pt", add_special_tokens=False)["input_ids"][0]

    start = encoded(f"<|end|><|assistant|>{ANSWER_START}")
    answer = encoded(ANSWER.removeprefix(ANSWER_START) + "<|end|>")
    optimizer = torch.optim.AdamW(model.parameters(), lr=_LEARNING_RATE)
    model.train()
    for step in range(_STEPS):
        for group in optimizer.param_groups:
            group["lr"] = _LEARNING_RATE * (1 - step / _STEPS)
        asked = torch.randint(len(_SPECIAL), 400, (int(torch.randint(20, 400, ())),))
        tokens = torch.cat([asked, start, answer])[None]
        labels = torch.where(torch.arange(tokens.shape[1]) >= len(asked) + len(start), tokens, -100)
        optimizer.zero_grad()
        model(input_ids=tokens, labels=labels).loss.backward()
        optimizer.step()
    _save(folder, model, tokenizer)
    return folder


def _save(folder: Path, model: Any, tokenizer: Any) -> None:
    # What instruct models come with.
    model.generation_config = GenerationConfig(do_sample=True, temperature=0.7, top_p=0.8, eos_token_id=0)
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _model() -> Any:
    torch.manual_seed(7)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=400,
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=4096,
            eos_token_id=0,
            bos_token_id=None,
        )
    )


def _tokenizer(chat_template: str | None) -> Any:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=_SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([ANSWER, "0:deploy 1:cuber? 2:netties? over their"] * 4, trainer)
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>")
    wrapped.chat_template = chat_template
    return wrapped
