"""A Moonshine checkpoint with random weights, in the layout of a real one."""

from __future__ import annotations

from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers


def save_moonshine(folder: Path, seed: int = 0) -> Path:
    """Two layers over ▁ and letters."""
    torch.manual_seed(seed)
    pieces = ["<unk>", "▁", *"abcdefghijklmnopqrstuvwxyz'", "<s>", "</s>"]
    backend = Tokenizer(models.BPE(vocab={piece: at for at, piece in enumerate(pieces)}, merges=[], unk_token="<unk>"))
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    end = len(pieces) - 1
    config = transformers.MoonshineConfig(
        vocab_size=len(pieces),
        hidden_size=32,
        intermediate_size=64,
        encoder_num_hidden_layers=2,
        decoder_num_hidden_layers=2,
        encoder_num_attention_heads=2,
        decoder_num_attention_heads=2,
        initializer_range=0.3,
        pad_token_id=end,
        eos_token_id=end,
        bos_token_id=end - 1,
        decoder_start_token_id=end - 1,
    )
    transformers.MoonshineForConditionalGeneration(config).save_pretrained(folder)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="</s>"
    )
    extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=False, return_attention_mask=True)
    transformers.Wav2Vec2Processor(extractor, tokenizer).save_pretrained(folder)
    return folder
