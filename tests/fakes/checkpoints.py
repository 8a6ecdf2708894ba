"""Small checkpoints with the file layout of the real ones: right architecture, real tokenizer files, random weights.

torch and transformers are imported where they are used: the embedded profile has neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from deployments.contracts import SAMPLE_RATE_HZ, Samples, TimeSpan

_LETTERS = 256
"""Tokens of text: one for each byte. The end token follows."""


def whisper_checkpoint(
    folder: Path,
    *,
    layers: int = 2,
    width: int = 32,
    heads: int = 2,
    english_only: bool = False,
    window_s: int = 30,
    init_std: float = 0.3,
    seed: int = 0,
) -> Path:
    """A Whisper whose text tokens are bytes, saved to the folder, which is returned.

    Its weights are random, and spread so far that texts depend on the audio, the language and the prompt.
    ``window_s`` other than 30 is for speed: the encoder takes audio of exactly that length.
    """
    import torch
    from tokenizers import AddedToken, pre_tokenizers
    from transformers import (
        GenerationConfig,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
        WhisperTokenizer,
    )
    from transformers.models.whisper.tokenization_whisper import LANGUAGES

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {**{character: number for number, character in enumerate(alphabet)}, "<|endoftext|>": _LETTERS}
    tokenizer = WhisperTokenizer(vocab=vocabulary, merges=[])
    languages = [f"<|{language}|>" for language in list(LANGUAGES)[:99]]
    commands = [
        "<|translate|>",
        "<|transcribe|>",
        "<|startoflm|>",
        "<|startofprev|>",
        "<|nospeech|>",
        "<|notimestamps|>",
    ]
    tokenizer.add_special_tokens({"extra_special_tokens": ["<|startoftranscript|>", *languages, *commands]})
    times = [AddedToken(f"<|{0.02 * step:.2f}|>", special=False, normalized=False) for step in range(1501)]
    tokenizer.add_tokens(times)
    number = tokenizer.convert_tokens_to_ids

    torch.manual_seed(seed)
    model = WhisperForConditionalGeneration(
        WhisperConfig(
            vocab_size=len(tokenizer),
            d_model=width,
            encoder_layers=layers,
            decoder_layers=layers,
            encoder_attention_heads=heads,
            decoder_attention_heads=heads,
            encoder_ffn_dim=2 * width,
            decoder_ffn_dim=2 * width,
            max_source_positions=50 * window_s,
            init_std=init_std,
            begin_suppress_tokens=None,
            decoder_start_token_id=number("<|startoftranscript|>"),
            pad_token_id=_LETTERS,
            bos_token_id=_LETTERS,
            eos_token_id=_LETTERS,
        )
    )
    generation = GenerationConfig(
        decoder_start_token_id=number("<|startoftranscript|>"),
        eos_token_id=_LETTERS,
        pad_token_id=_LETTERS,
        bos_token_id=_LETTERS,
        max_length=448,
        return_timestamps=False,
        suppress_tokens=[number(token) for token in ("<|startoftranscript|>", *commands[:-1])],
        begin_suppress_tokens=[_LETTERS],
    )
    generation.is_multilingual = not english_only
    if not english_only:
        generation.lang_to_id = {language: number(language) for language in languages}
        generation.task_to_id = {task: number(f"<|{task}|>") for task in ("transcribe", "translate")}
    generation.no_timestamps_token_id = number("<|notimestamps|>")
    generation.prev_sot_token_id = number("<|startofprev|>")
    generation.alignment_heads = [[layer, head] for layer in range(layers // 2, layers) for head in range(heads)]
    generation.max_initial_timestamp_index = 50
    model.generation_config = generation
    model.save_pretrained(folder)
    # Each by itself: a processor would save another layout than the published checkpoints have.
    WhisperFeatureExtractor(chunk_length=window_s).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@dataclass(frozen=True, slots=True, eq=False)
class Melody:
    """Tones with pauses between them, and what a Whisper trained on such things is to write: a letter for each."""

    samples: Samples
    letters: str
    tones: tuple[TimeSpan, ...]


TONES = "abc"
"""The letters of a melody, from low to high."""

_MELODY_S = 2.0
_MELODIES = 256
"""To learn from."""

_HEADS = 4
_TASK_TOKENS = 4
_FRAMES_PER_S = 50


def melody(random: np.random.Generator) -> Melody:
    """One of up to two seconds: two to four tones of 0.15 to 0.3 s in a little noise."""
    samples = random.normal(scale=0.003, size=int(_MELODY_S * SAMPLE_RATE_HZ))
    letters, tones, start_s = "", [], random.uniform(0.0, 0.3)
    for _ in range(random.integers(2, 5)):
        end_s = start_s + random.uniform(0.15, 0.3)
        if end_s > _MELODY_S:
            break
        pitch = int(random.integers(len(TONES)))
        span = slice(int(start_s * SAMPLE_RATE_HZ), int(end_s * SAMPLE_RATE_HZ))
        seconds = np.arange(span.stop - span.start) / SAMPLE_RATE_HZ
        samples[span] += 0.3 * np.sin(2 * np.pi * 300 * 2**pitch * seconds)
        letters += TONES[pitch]
        tones.append(TimeSpan(start_s, end_s))
        start_s = end_s + random.uniform(0.05, 0.35)
    return Melody(samples.astype(np.float32), letters, tuple(tones))


def trained_whisper_checkpoint(folder: Path, *, steps: int = 150, batch: int = 16, seed: int = 0) -> Path:
    """A Whisper that writes down melodies, learnt in about ten seconds of one core; saved to the folder."""
    import torch
    from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration, WhisperTokenizer

    whisper_checkpoint(folder, layers=1, width=64, heads=_HEADS, window_s=int(_MELODY_S), init_std=0.05, seed=seed)
    model = WhisperForConditionalGeneration.from_pretrained(folder).train()
    extractor = WhisperFeatureExtractor.from_pretrained(folder)
    tokenizer = WhisperTokenizer.from_pretrained(folder)
    generation = model.generation_config
    task = [
        generation.decoder_start_token_id,
        generation.lang_to_id["<|en|>"],
        generation.task_to_id["transcribe"],
        generation.no_timestamps_token_id,
    ]

    random = np.random.default_rng(seed)
    melodies = [melody(random) for _ in range(_MELODIES)]
    heard = extractor([each.samples for each in melodies], sampling_rate=SAMPLE_RATE_HZ, return_tensors="pt")
    texts = [tokenizer.encode(f" {' '.join(each.letters)}", add_special_tokens=False) for each in melodies]
    longest = max(map(len, texts))
    read = torch.tensor([task + text + [_LETTERS] * (longest - len(text)) for text in texts])
    written = torch.full_like(read, -100)
    for row, text in enumerate(texts):
        written[row, len(task) - 1 : len(task) + len(text)] = torch.tensor([*text, _LETTERS])

    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=steps)
    for _ in range(steps):
        some = torch.from_numpy(random.choice(_MELODIES, batch, replace=False))
        logits = model(input_features=heard["input_features"][some], decoder_input_ids=read[some]).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), written[some].flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    # Published checkpoints name the heads that look where the next token is spoken. Here: the best one.
    model.eval().set_attn_implementation("eager")
    with torch.inference_mode():
        seen = model(input_features=heard["input_features"], decoder_input_ids=read, output_attentions=True)
    looked_at_s = seen.cross_attentions[0].argmax(dim=-1).numpy() / _FRAMES_PER_S
    generation.alignment_heads = [
        [0, int(np.argmax([_hits(looked_at_s[:, head], melodies) for head in range(_HEADS)]))]
    ]
    model.save_pretrained(folder)
    return folder


def _hits(looked_at_s: npt.NDArray[np.float64], melodies: Sequence[Melody]) -> int:
    """How often a head looks at a tone, [melodies, tokens], when its letter is to be written: a space comes before."""
    return sum(
        tone.start_s <= row[_TASK_TOKENS + 2 * number] <= tone.end_s + 1 / _FRAMES_PER_S
        for row, each in zip(looked_at_s, melodies, strict=True)
        for number, tone in enumerate(each.tones)
    )
