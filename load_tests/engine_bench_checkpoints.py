"""Checkpoints at full size with random weights, for measuring speed where no real weights are at hand.

Shapes, tokenizer and feature extractor are those of the published checkpoint, so that the work is the same; only the
values of the weights are not. Left to chance, a random recogniser ends at once, never, or in a loop, which guards try
again. These say what speech would make them say:

* Seq2seq models know one text. Each of its tokens is followed by the next one of the vocabulary, and after so many as
  real speech of a window has comes the end, whatever the audio. For that the output layer is not tied to the embedding,
  which costs memory (133 MB of Whisper large) and no time.
* In CTC models and transducers the head is set so that, over several windows, as many frames as in real speech are not
  blank. Transducers go on by two frames a step, about as real ones do.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers.models.whisper.tokenization_whisper import LANGUAGES

from deployments.contracts import SAMPLE_RATE_HZ
from load_tests.engine_bench_plan import Family, Speech, windows_of
from load_tests.engine_bench_tokenizers import (
    WHISPER_COMMANDS,
    byte_characters,
    piece_tokenizer,
    random_pieces,
    whisper_tokenizer,
)

# Counts up when what is written changes: folders written before are not used then.
_LAYOUT = 2
_CALIBRATION_WINDOWS = 4
_FRAMES_AHEAD = 2
_MOST_MOONSHINE_TOKENS = 194


@dataclass(frozen=True, slots=True)
class WhisperShape:
    """Sizes of a multilingual Whisper; alignment_heads are pairs of layer and head, as its authors list them."""

    width: int
    encoder_layers: int
    decoder_layers: int
    heads: int
    mels: int
    languages: int
    alignment_heads: tuple[tuple[int, int], ...]
    family: Family = Family.WHISPER

    def write(self, folder: Path, speech: Speech, device: torch.device) -> None:
        """Write all files of the checkpoint."""
        tokenizer = whisper_tokenizer(self.languages)
        number = tokenizer.convert_tokens_to_ids
        end = number("<|endoftext|>")
        config = transformers.WhisperConfig(
            vocab_size=len(tokenizer),
            d_model=self.width,
            encoder_layers=self.encoder_layers,
            decoder_layers=self.decoder_layers,
            encoder_attention_heads=self.heads,
            decoder_attention_heads=self.heads,
            encoder_ffn_dim=4 * self.width,
            decoder_ffn_dim=4 * self.width,
            num_mel_bins=self.mels,
            begin_suppress_tokens=None,
            decoder_start_token_id=number("<|startoftranscript|>"),
            pad_token_id=end,
            bos_token_id=end,
            eos_token_id=end,
            tie_word_embeddings=False,
        )
        model = _random(transformers.WhisperForConditionalGeneration, config, device)
        first = len(byte_characters())
        text = range(first, first + speech.tokens)
        teach_text(model.model.decoder.embed_tokens, model.proj_out, [number("<|notimestamps|>"), *text, end])
        model.generation_config = _whisper_generation(tokenizer, self.alignment_heads)
        _save(model, folder)
        transformers.WhisperFeatureExtractor(feature_size=self.mels).save_pretrained(folder)
        tokenizer.save_pretrained(folder)


@dataclass(frozen=True, slots=True)
class MoonshineShape:
    """Sizes of a Moonshine; encoder and decoder have as many layers."""

    width: int
    layers: int
    heads: int = 8
    family: Family = Family.MOONSHINE

    def write(self, folder: Path, speech: Speech, device: torch.device) -> None:
        """Write all files of the checkpoint."""
        config = transformers.MoonshineConfig(
            hidden_size=self.width,
            intermediate_size=4 * self.width,
            encoder_num_hidden_layers=self.layers,
            decoder_num_hidden_layers=self.layers,
            encoder_num_attention_heads=self.heads,
            decoder_num_attention_heads=self.heads,
            bos_token_id=1,
            eos_token_id=2,
            pad_token_id=2,
            decoder_start_token_id=1,
            tie_word_embeddings=False,
        )
        special = ["<unk>", "<s>", "</s>"]
        pieces = [*special, *random_pieces(config.vocab_size - len(special), "▁")]
        tokenizer = transformers.PreTrainedTokenizerFast(
            tokenizer_object=piece_tokenizer(pieces),
            unk_token="<unk>",
            bos_token="<s>",
            eos_token="</s>",
            pad_token="</s>",
        )
        model = _random(transformers.MoonshineForConditionalGeneration, config, device)
        text = range(len(special), len(special) + speech.tokens)
        teach_text(model.model.decoder.embed_tokens, model.proj_out, [1, *text, 2])
        model.generation_config.max_length = _MOST_MOONSHINE_TOKENS
        _save(model, folder)
        extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=False, return_attention_mask=True)
        transformers.Wav2Vec2Processor(extractor, tokenizer).save_pretrained(folder)


@dataclass(frozen=True, slots=True)
class ParakeetShape:
    """Sizes of a Parakeet; vocabulary counts the blank."""

    family: Family
    width: int
    layers: int
    heads: int
    mels: int
    vocabulary: int
    subsampling_channels: int = 256

    def write(self, folder: Path, speech: Speech, device: torch.device) -> None:
        """Write all files of the checkpoint."""
        is_ctc = self.family is Family.CTC
        # CTC's blank is its padding; the transducer has both.
        special = ["<pad>"] if is_ctc else ["<pad>", "<blank>"]
        pieces = ["<unk>", *random_pieces(self.vocabulary - 1 - len(special), "▁"), *special]
        tokenizer = transformers.ParakeetTokenizer(
            tokenizer_object=piece_tokenizer(pieces),
            unk_token="<unk>",
            pad_token="<pad>",
            **({} if is_ctc else {"extra_special_tokens": ["<blank>"]}),
        )
        extractor = transformers.ParakeetFeatureExtractor(feature_size=self.mels)
        model = self._ctc(extractor, speech, device) if is_ctc else self._transducer(extractor, speech, device)
        _save(model, folder)
        kind = "ctc" if is_ctc else "tdt"
        transformers.ParakeetProcessor(extractor, tokenizer, decoder_type=kind).save_pretrained(folder)

    def _encoder(self) -> dict[str, object]:
        return {
            "hidden_size": self.width,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "intermediate_size": 4 * self.width,
            "num_mel_bins": self.mels,
            "subsampling_conv_channels": self.subsampling_channels,
        }

    def _ctc(self, extractor: Any, speech: Speech, device: torch.device) -> Any:
        config = transformers.ParakeetCTCConfig(
            vocab_size=self.vocabulary, pad_token_id=self.vocabulary - 1, encoder_config=self._encoder()
        )
        model = _random(transformers.ParakeetForCTC, config, device)
        with torch.no_grad():
            states = model.encoder(**_calibration(extractor, speech, device)).last_hidden_state.flatten(0, 1)
        heard = speech.tokens_per_s * _frame_s(extractor, model)
        balance_blank(model.ctc_head.weight[:, :, 0], model.ctc_head.bias, states, config.pad_token_id, heard)
        return model

    def _transducer(self, extractor: Any, speech: Speech, device: torch.device) -> Any:
        tokens, blank = self.vocabulary, self.vocabulary - 1
        config = transformers.ParakeetTDTConfig(
            vocab_size=tokens, pad_token_id=tokens - 2, blank_token_id=blank, encoder_config=self._encoder()
        )
        model = _random(transformers.ParakeetForTDT, config, device)
        head = model.joint.head
        with torch.no_grad():
            encoded = model.get_audio_features(**_calibration(extractor, speech, device)).pooler_output.flatten(0, 1)
            start = model.decoder(torch.full((1, 1), blank, device=device))[0]
            states = model.joint.activation(encoded + start)
            heard = speech.tokens_per_s * _frame_s(extractor, model) * _FRAMES_AHEAD
            balance_blank(head.weight[:tokens], head.bias[:tokens], states, blank, heard)
            head.weight[tokens:] = 0.0
            head.bias[tokens:] = 0.0
            head.bias[tokens + config.durations.index(_FRAMES_AHEAD)] = 1.0
        model.generation_config.suppress_tokens = list(range(tokens, tokens + len(config.durations)))
        model.generation_config.decoder_start_token_id = blank
        return model


Shape = WhisperShape | MoonshineShape | ParakeetShape
"""Of a checkpoint; each can be written."""


def random_checkpoint(name: str, shape: Shape, cache: Path, speech: Speech, device: torch.device) -> Path:
    """A checkpoint's folder, written into the cache where it is not there yet: 1.7 GB for whisper-large-v3-turbo."""
    folder = cache / f"{name}-{speech.window_s:g}s-{speech.tokens_per_s:g}-tokens-v{_LAYOUT}"
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=cache, prefix=".unfinished-"))
    try:
        torch.manual_seed(0)
        shape.write(unfinished, speech, device)
        return unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def teach_text(embedding: Any, projection: Any, text: Sequence[int]) -> None:
    """Make the decoder say each token of a text after the one before it, whatever else it hears.

    Embeddings of size 1 outweigh what the layers, with weights of 0.02, add to them; where the output layer's row of a
    token is the embedding of the one before it, its score is the width of the model, and the others are noise around 0.
    """
    with torch.no_grad():
        embedding.weight.normal_(0.0, 1.0)
        projection.weight.normal_(0.0, 1.0)
        projection.weight[list(text[1:])] = embedding.weight[list(text[:-1])]


def balance_blank(weight: torch.Tensor, bias: torch.Tensor, states: torch.Tensor, blank: int, heard: float) -> None:
    """Make a head with weight [labels, width] hear something in the share ``heard`` of frames, any label as likely.

    States [frames, width] of random layers are nearly the same in all frames. What they share is taken out of the head,
    and what is left made large: with the head as it was, rounding to bfloat16 would decide.
    """
    with torch.no_grad():
        shared = torch.nn.functional.normalize(states.mean(0), dim=0)
        weight -= torch.outer(weight @ shared, shared)
        weight /= (states @ weight.T).std()
        scores = states @ weight.T
        nothing = scores[:, blank].clone()
        scores[:, blank] = -torch.inf
        bias.zero_()
        bias[blank] = (scores.max(-1).values - nothing).quantile(1.0 - min(heard, 1.0))


def _random(kind: Any, config: Any, device: torch.device) -> Any:
    """In float32, with values that bfloat16 has: what is found out about the model holds when it is saved."""
    with device:
        return kind(config).eval().to(torch.bfloat16).float()


def _save(model: Any, folder: Path) -> None:
    model.to(torch.bfloat16).save_pretrained(folder)


def _calibration(extractor: Any, speech: Speech, device: torch.device) -> Any:
    windows = windows_of(None, speech.window_s, _CALIBRATION_WINDOWS)
    return extractor(windows, sampling_rate=SAMPLE_RATE_HZ, return_tensors="pt").to(device)


def _frame_s(extractor: Any, model: Any) -> float:
    return float(extractor.hop_length * model.config.encoder_config.subsampling_factor / SAMPLE_RATE_HZ)


def _whisper_generation(tokenizer: Any, alignment_heads: Sequence[tuple[int, int]]) -> Any:
    number = tokenizer.convert_tokens_to_ids
    end = number("<|endoftext|>")
    generation = transformers.GenerationConfig(
        decoder_start_token_id=number("<|startoftranscript|>"),
        eos_token_id=end,
        pad_token_id=end,
        bos_token_id=end,
        max_length=448,
        return_timestamps=False,
        suppress_tokens=[number(token) for token in ("<|startoftranscript|>", *WHISPER_COMMANDS[:-1])],
        begin_suppress_tokens=[end],
    )
    languages = [token for token in tokenizer.all_special_tokens if token[2:-2] in LANGUAGES]
    generation.is_multilingual = True
    generation.lang_to_id = {token: number(token) for token in languages}
    generation.task_to_id = {task: number(f"<|{task}|>") for task in ("transcribe", "translate")}
    generation.no_timestamps_token_id = number("<|notimestamps|>")
    generation.prev_sot_token_id = number("<|startofprev|>")
    generation.alignment_heads = [list(pair) for pair in alignment_heads]
    generation.max_initial_timestamp_index = 50
    return generation
