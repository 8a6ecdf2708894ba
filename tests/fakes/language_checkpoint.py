"""A small Whisper checkpoint that tells tones apart: what is low is English, what is high is German."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deployments.contracts import SAMPLE_RATE_HZ, Samples

LOW_HZ, HIGH_HZ = 400.0, 5000.0
LANGUAGES = ("de", "en", "fr")
_VOCABULARY, _START, _FIRST_LANGUAGE = 64, 50, 51
_LOW, _HIGH, _CONSTANT = 0, 1, 2


def tones(*frequencies_and_seconds: tuple[float, float]) -> Samples:
    """One tone after the other; at 0 Hz silence."""
    parts = [
        0.3 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ)
        for hertz, seconds in frequencies_and_seconds
    ]
    return np.concatenate(parts).astype(np.float32)


def save_tone_whisper(folder: Path, languages: Sequence[str] = LANGUAGES, *, is_multilingual: bool = True) -> Path:
    """Write the folder as save_pretrained does; the weights are chosen by hand, for "de" and "en" among languages.

    The first convolution sums the low and the high half of the mel bands in a channel each, the rest of the encoder
    passes them on, the decoder's first layer takes their mean over time, and its head sets them side by side.
    """
    import torch
    import transformers

    config = transformers.WhisperConfig(
        vocab_size=_VOCABULARY,
        num_mel_bins=80,
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        decoder_start_token_id=_START,
        pad_token_id=0,
        bos_token_id=0,
        eos_token_id=0,
        begin_suppress_tokens=None,
        suppress_tokens=None,
    )
    torch.manual_seed(0)
    model = transformers.WhisperForConditionalGeneration(config)
    with torch.no_grad():
        _craft(model.model, {language: _FIRST_LANGUAGE + at for at, language in enumerate(languages)})
    generation = transformers.GenerationConfig(decoder_start_token_id=_START, pad_token_id=0, eos_token_id=0)
    generation.is_multilingual = is_multilingual
    if is_multilingual:
        generation.lang_to_id = {f"<|{language}|>": _FIRST_LANGUAGE + at for at, language in enumerate(languages)}
    model.generation_config = generation
    model.save_pretrained(folder)
    transformers.WhisperFeatureExtractor().save_pretrained(folder)
    return folder


def _craft(model: Any, tokens: dict[str, int]) -> None:
    encoder, decoder = model.encoder, model.decoder
    for convolution in (encoder.conv1, encoder.conv2):
        convolution.weight.zero_()
        convolution.bias.zero_()
    bands = encoder.conv1.weight.shape[1]
    middle = bands // 2
    encoder.conv1.weight[_LOW, :middle, 1] = 1 / middle
    encoder.conv1.weight[_HIGH, middle:, 1] = 1 / middle
    # Far in the part of the activation that changes nothing.
    encoder.conv1.bias[: _CONSTANT + 1] = 5.0
    encoder.conv2.weight[range(_CONSTANT + 1), range(_CONSTANT + 1), 1] = 1.0
    encoder.embed_positions.weight.zero_()
    decoder.embed_positions.weight.zero_()
    for layer in (*encoder.layers, *decoder.layers):
        _pass_on(layer.self_attn.out_proj)
        _pass_on(layer.fc2)
    across = decoder.layers[0].encoder_attn
    for projection in (across.q_proj, across.v_proj, across.out_proj):
        _pass_on(projection)
    across.v_proj.weight[_LOW, _LOW] = across.v_proj.weight[_HIGH, _HIGH] = 1.0
    across.out_proj.weight[_LOW, _LOW] = across.out_proj.weight[_HIGH, _HIGH] = 20.0
    across.out_proj.weight[_LOW, _HIGH] = across.out_proj.weight[_HIGH, _LOW] = -20.0
    words = decoder.embed_tokens.weight
    words.normal_(0.0, 0.01)
    words[_START] = 0.0
    words[_START, _CONSTANT], words[_START, _CONSTANT + 1] = 1.0, -1.0
    words[tokens["en"]] = 0.0
    words[tokens["de"]] = 0.0
    words[tokens["en"], _LOW] = words[tokens["de"], _HIGH] = 5.0


def _pass_on(projection: Any) -> None:
    """What the layer adds to its input is nothing."""
    projection.weight.zero_()
    if projection.bias is not None:
        projection.bias.zero_()
