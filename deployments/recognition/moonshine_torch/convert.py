"""Turns Moonshine tiny, as the moonshine-voice wheel carries it, into a checkpoint folder for transformers.

    python -m deployments.recognition.moonshine_torch.convert FOLDER

The wheel's weights are int8; the checkpoint's are the same values as float32, about 110 MB. Its tokenizer decodes, and
knows no merges to encode with. The weights are Useful Sensors' (MIT).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer, decoders
from tokenizers.models import BPE

from deployments.recognition.moonshine.graphs import ALIGNMENT_HEADS
from deployments.recognition.moonshine.tokenizer import BEGIN_TOKEN, END_TOKEN, read_pieces
from deployments.recognition.moonshine.weights import Weights, model_folder, read_decoder, read_encoder

_UNKNOWN_TOKEN = 0
_FIRST_BYTE_TOKEN = 3


def convert(folder: Path) -> None:
    """Write the checkpoint into the folder, which is made where it is missing.

    Raises:
        EngineUnavailable: moonshine-voice is not installed, or is a version without weights.
    """
    wheel = model_folder()
    # The defaults of the configuration are those of Moonshine tiny.
    model = transformers.MoonshineForConditionalGeneration(transformers.MoonshineConfig(pad_token_id=END_TOKEN))
    state = {
        **_state(read_encoder(wheel), "model.encoder"),
        **_state(read_decoder(wheel), "model.decoder"),
    }
    state["proj_out.weight"] = state["model.decoder.embed_tokens.weight"]
    model.load_state_dict(state)
    model.generation_config = transformers.GenerationConfig(
        decoder_start_token_id=BEGIN_TOKEN,
        bos_token_id=BEGIN_TOKEN,
        eos_token_id=END_TOKEN,
        pad_token_id=END_TOKEN,
        alignment_heads=[list(head) for head in ALIGNMENT_HEADS],
    )
    model.save_pretrained(folder)
    extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=False, return_attention_mask=True)
    pieces = read_pieces((wheel / "tokenizer.bin").read_bytes())
    transformers.Wav2Vec2Processor(extractor, _tokenizer(pieces)).save_pretrained(folder)


def _state(weights: Weights, prefix: str) -> dict[str, torch.Tensor]:
    """Tensors by transformers' names; matrices are [inputs, outputs] in ONNX and the other way round in torch."""
    state = {}
    for name, matrix in weights.matrices.items():
        if name == "proj_out":
            continue  # the same values as embed_tokens
        values = matrix.to_float() if name == "embed_tokens" else matrix.to_float().T
        state[f"{prefix}.{name}.weight"] = torch.from_numpy(np.ascontiguousarray(values))
    for name, tensor in weights.tensors.items():
        if name.endswith(("weight", "bias")):
            plain = tensor.ravel() if name.startswith("groupnorm") else tensor
            state[f"{prefix}.{name}"] = torch.from_numpy(plain.copy())
    return state


def _tokenizer(pieces: list[bytes]) -> transformers.PreTrainedTokenizerBase:
    """As SentencePiece lays out a vocabulary: <unk>, <s>, </s>, the 256 bytes, and pieces of text."""
    names = [
        f"<0x{token - _FIRST_BYTE_TOKEN:02X}>"
        if _FIRST_BYTE_TOKEN <= token < _FIRST_BYTE_TOKEN + 256
        else piece.decode()
        for token, piece in enumerate(pieces)
    ]
    vocabulary = {name: token for token, name in enumerate(names)}
    backend = Tokenizer(BPE(vocab=vocabulary, merges=[], unk_token=names[_UNKNOWN_TOKEN], byte_fallback=True))
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend,
        unk_token=names[_UNKNOWN_TOKEN],
        bos_token=names[BEGIN_TOKEN],
        eos_token=names[END_TOKEN],
        pad_token=names[END_TOKEN],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write Moonshine tiny as a checkpoint folder for transformers.")
    parser.add_argument("folder", type=Path)
    convert(parser.parse_args().folder)
