"""A language of tones, and models that know it: a letter is a pitch, silence is none.

A small network learns it in seconds, so that an engine can be tested on what it says and when without a real model.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import transformers

from deployments.contracts import SAMPLE_RATE_HZ, Samples

PITCHES_HZ = {" ": 350.0, "a": 700.0, "b": 1200.0, "c": 2000.0, "d": 3200.0}
_TONE_S = 0.4
_PAUSE_S = 0.16


@dataclass(frozen=True, slots=True, eq=False)
class Sung:
    """Audio, and when each character of the text sounds, as (start_s, end_s)."""

    text: str
    samples: Samples
    times_s: tuple[tuple[float, float], ...]


def sing(text: str, seed: int = 0) -> Sung:
    """The text as tones with pauses and a little noise."""
    random = np.random.default_rng(seed)
    pieces, times_s, at = [_silence(2 * _PAUSE_S)], [], 2 * _PAUSE_S
    for character in text:
        times = np.arange(int(_TONE_S * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
        phase = random.uniform(0, 2 * np.pi)
        pieces += [0.3 * np.sin(2 * np.pi * PITCHES_HZ[character] * times + phase), _silence(_PAUSE_S)]
        times_s.append((at, at + _TONE_S))
        at += _TONE_S + _PAUSE_S
    samples = np.concatenate(pieces)
    noisy = samples + 0.01 * random.standard_normal(len(samples))
    return Sung(text, noisy.astype(np.float32), tuple(times_s))


def random_text(words: int, seed: int) -> str:
    """Words of one to four letters."""
    random = np.random.default_rng(seed)
    return " ".join("".join(random.choice(list("abcd"), random.integers(1, 5))) for _ in range(words))


def teach(folder: Path) -> None:
    """Train the Parakeet CTC or wav2vec2 checkpoint in the folder; about three seconds of one core."""
    torch.set_num_threads(1)
    model = transformers.AutoModelForCTC.from_pretrained(folder).eval()
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    is_parakeet = model.config.model_type == "parakeet_ctc"
    space = "▁" if is_parakeet else "|"
    tokens = {
        letter: tokenizer.convert_tokens_to_ids(space if letter == " " else letter if is_parakeet else letter.upper())
        for letter in PITCHES_HZ
    }
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3 if is_parakeet else 3e-3)
    for step in range(120 if is_parakeet else 80):
        sung = sing(random_text(2, step), step)
        logits = model(**extractor([sung.samples], sampling_rate=SAMPLE_RATE_HZ, return_tensors="pt")).logits[0]
        wanted = _frame_tokens(sung, len(logits), 0.08 if is_parakeet else 0.02, tokens, model.config.pad_token_id)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(logits, wanted).backward()
        optimizer.step()
    model.save_pretrained(folder)


def _frame_tokens(sung: Sung, frames: int, frame_s: float, tokens: dict[str, int], blank: int) -> torch.Tensor:
    labels = torch.full((frames,), blank)
    centres_s = (torch.arange(frames) + 0.5) * frame_s
    for character, (start_s, end_s) in zip(sung.text, sung.times_s, strict=True):
        labels[(centres_s >= start_s) & (centres_s < end_s)] = tokens[character]
    return labels


def _silence(seconds: float) -> npt.NDArray[np.float64]:
    return np.zeros(int(seconds * SAMPLE_RATE_HZ))
