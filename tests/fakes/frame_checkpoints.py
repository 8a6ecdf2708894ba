"""Checkpoints of CTC models and transducers with random weights, in the layout of the real ones."""

from __future__ import annotations

import json
from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

LETTERS = "abcdefghijklmnopqrstuvwxyz'"

_ENCODER = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "subsampling_conv_channels": 16,
    "layerdrop": 0.0,
    # With the usual 0.02 so few layers pass next to nothing on.
    "initializer_range": 0.12,
}


def save_parakeet(folder: Path, kind: str, seed: int = 0) -> Path:
    """Parakeet of a kind ("ctc", "tdt", "rnnt") over ▁ and letters."""
    torch.manual_seed(seed)
    is_ctc = kind == "ctc"
    pieces = ["<unk>", "▁", *LETTERS, "<pad>", *([] if is_ctc else ["<blank>"])]
    backend = Tokenizer(models.BPE(vocab={piece: at for at, piece in enumerate(pieces)}, merges=[], unk_token="<unk>"))
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    extra = {} if is_ctc else {"extra_special_tokens": ["<blank>"]}
    tokenizer = transformers.ParakeetTokenizer(tokenizer_object=backend, unk_token="<unk>", pad_token="<pad>", **extra)
    vocabulary = {"vocab_size": len(pieces), "pad_token_id": pieces.index("<pad>"), "encoder_config": _ENCODER}
    if is_ctc:
        model = transformers.ParakeetForCTC(transformers.ParakeetCTCConfig(**vocabulary))
    else:
        model = _transducer(kind, {**vocabulary, "blank_token_id": len(pieces) - 1})
    model.save_pretrained(folder)
    extractor = transformers.ParakeetFeatureExtractor(feature_size=80)
    transformers.ParakeetProcessor(extractor, tokenizer, decoder_type=kind).save_pretrained(folder)
    return folder


def _transducer(kind: str, vocabulary: dict[str, object]) -> transformers.PreTrainedModel:
    sizes = {"decoder_hidden_size": 32, "num_decoder_layers": 1}
    if kind == "tdt":
        model = transformers.ParakeetForTDT(transformers.ParakeetTDTConfig(**vocabulary, **sizes))
    else:
        model = transformers.ParakeetForRNNT(transformers.ParakeetRNNTConfig(**vocabulary, **sizes))
    blank, tokens = model.config.blank_token_id, model.config.vocab_size
    with torch.no_grad():
        model.joint.head.weight.normal_(0, 2.0)
        model.joint.head.bias.zero_()
        if kind == "tdt":
            # Left to chance, the head may say a token of no duration for ever.
            model.joint.head.bias[tokens] = -50.0
        else:
            model.joint.head.bias[blank] = 10.0
    model.generation_config.suppress_tokens = list(range(tokens, tokens + 5)) if kind == "tdt" else None
    model.generation_config.decoder_start_token_id = blank
    return model


def save_waveform_ctc(folder: Path, architecture: str, norm: str, seed: int = 0) -> Path:
    """wav2vec2, hubert or wavlm, over "|" and capital letters; norm is its feat_extract_norm: "group" or "layer"."""
    torch.manual_seed(seed)
    folder.mkdir(parents=True, exist_ok=True)
    tokens = ["<pad>", "<s>", "</s>", "<unk>", "|", *LETTERS.upper()]
    vocabulary_file = folder / "vocab.json"
    vocabulary_file.write_text(json.dumps({token: at for at, token in enumerate(tokens)}))
    classes = {"wav2vec2": "Wav2Vec2", "hubert": "Hubert", "wavlm": "WavLM"}
    config = getattr(transformers, f"{classes[architecture]}Config")(
        vocab_size=len(tokens),
        pad_token_id=0,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        conv_dim=[32] * 7,
        feat_extract_norm=norm,
        do_stable_layer_norm=norm == "layer",
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        initializer_range=0.1,
    )
    getattr(transformers, f"{classes[architecture]}ForCTC")(config).save_pretrained(folder)
    extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=norm == "layer")
    tokenizer = transformers.Wav2Vec2CTCTokenizer(str(vocabulary_file))
    transformers.Wav2Vec2Processor(extractor, tokenizer).save_pretrained(folder)
    return folder
