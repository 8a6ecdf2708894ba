"""Tokenizers as large as the published ones, with made-up pieces: they turn tokens into words of the usual length."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers.models.whisper.tokenization_whisper import LANGUAGES

_WHISPER_TEXT_TOKENS = 50257
WHISPER_COMMANDS = (
    *("<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>"),
    *("<|nospeech|>", "<|notimestamps|>"),
)


def random_pieces(count: int, word_start: str) -> list[str]:
    """Different spellings of tokens, three of four of which begin a word."""
    chosen = random.Random(0)
    pieces: dict[str, None] = {}
    while len(pieces) < count:
        letters = "".join(chosen.choices("abcdefghijklmnopqrstuvwxyz", k=chosen.randint(3, 6)))
        pieces[letters if chosen.random() < 0.25 else word_start + letters] = None
    return list(pieces)


def piece_tokenizer(pieces: Sequence[str]) -> Tokenizer:
    """Of pieces as SentencePiece writes them, with "▁" before words; it knows no merges to encode with."""
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    return tokenizer


def whisper_tokenizer(languages: int) -> Any:
    """Of as many tokens as the real one, in its order: 50257 of text, the end, commands, times."""
    letters = byte_characters()
    # GPT-2's byte-level spelling of a space.
    pieces = [*letters, *random_pieces(_WHISPER_TEXT_TOKENS - len(letters), "Ġ"), "<|endoftext|>"]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = transformers.WhisperTokenizer(vocab=vocabulary, merges=[], pad_token="<|endoftext|>")
    tokenizer.add_special_tokens(
        {
            "extra_special_tokens": [
                "<|startoftranscript|>",
                *(f"<|{language}|>" for language in list(LANGUAGES)[:languages]),
                *WHISPER_COMMANDS,
            ]
        }
    )
    times = [AddedToken(f"<|{0.02 * step:.2f}|>", special=False, normalized=False) for step in range(1501)]
    tokenizer.add_tokens(times)
    return tokenizer


def byte_characters() -> list[str]:
    """What byte-level tokenizers spell the 256 bytes with, in the order of the vocabulary."""
    return sorted(pre_tokenizers.ByteLevel.alphabet())
