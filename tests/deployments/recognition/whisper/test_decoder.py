"""The decoder against transformers, which it takes its weights from."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import WhisperConfig, WhisperForConditionalGeneration
from transformers.modeling_outputs import BaseModelOutput

from deployments.recognition.whisper.alignment import Aligner, AlignmentHeads, SpokenText
from deployments.recognition.whisper.capabilities import read_json
from deployments.recognition.whisper.decoder import SLOT_STEP, TextDecoder
from deployments.recognition.whisper.search import Decoded, Prefix, Search
from deployments.recognition.whisper.token_rules import token_rules
from deployments.recognition.whisper.tokenizer import Tokenizer
from tests.fakes.host_reads import HostReads

pytestmark = pytest.mark.engine

_ROWS = 5


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> WhisperForConditionalGeneration:
    torch.set_num_threads(1)
    return WhisperForConditionalGeneration.from_pretrained(checkpoint).eval()


@pytest.fixture(scope="module")
def tokenizer(checkpoint: Path) -> Tokenizer:
    return Tokenizer(checkpoint, read_json(checkpoint / "generation_config.json"))


@pytest.fixture(scope="module")
def search(checkpoint: Path, model: WhisperForConditionalGeneration, tokenizer: Tokenizer) -> Search:
    generation = read_json(checkpoint / "generation_config.json")
    rules = token_rules(tokenizer, generation, model.config.vocab_size, torch.device("cpu"))
    return Search(TextDecoder(model), rules)


@pytest.fixture(scope="module")
def encoded(model: WhisperForConditionalGeneration) -> torch.Tensor:
    """What an encoder could give for five windows."""
    shape = (_ROWS, model.config.max_source_positions, model.config.d_model)
    return torch.randn(shape, generator=torch.Generator().manual_seed(3))


@pytest.fixture(scope="module")
def prefixes(tokenizer: Tokenizer) -> list[Prefix]:
    hints: list[tuple[str, ...]] = [(), ("Ray Serve", "Pulse"), ("x",), (), ("Rayscribe",)]
    languages = ["en", "fr", "de", "hi", "zh"]
    return [
        Prefix(tokenizer.prompt(hint, 60), tokenizer.task(language))
        for hint, language in zip(hints, languages, strict=True)
    ]


def _decode(
    search: Search, encoded: torch.Tensor, prefixes: list[Prefix], limits: list[int], temperature: float = 0.0
) -> list[Decoded]:
    with torch.inference_mode():
        return search.decode(search._decoder.audio_memory(encoded), prefixes, limits, temperature)


def test_texts_are_those_of_generate(
    model: WhisperForConditionalGeneration, search: Search, encoded: torch.Tensor, prefixes: list[Prefix]
) -> None:
    batch = _decode(search, encoded, prefixes, [40] * _ROWS)
    generation = model.generation_config
    suppressed = sorted({*generation.suppress_tokens, *range(257, model.config.vocab_size)})
    for row, (prefix, decoded) in enumerate(zip(prefixes, batch, strict=True)):
        read = torch.tensor([[*prefix.prompt, *prefix.task]])
        with torch.inference_mode():
            written = model.generate(
                encoder_outputs=BaseModelOutput(last_hidden_state=encoded[row : row + 1]),
                decoder_input_ids=read,
                decoder_attention_mask=torch.ones_like(read),
                max_new_tokens=40,
                num_beams=1,
                do_sample=False,
                force_unique_generate_call=True,
                language=["en"],
                task="transcribe",
                return_timestamps=False,
                suppress_tokens=suppressed,
            )
        expected = written[0, read.shape[1] :].tolist()
        assert list(decoded.tokens) == expected[: len(decoded.tokens)]
        assert len(decoded.tokens) == 40 or expected[len(decoded.tokens)] == generation.eos_token_id


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_a_row_does_not_depend_on_its_neighbours(
    search: Search, encoded: torch.Tensor, prefixes: list[Prefix], temperature: float
) -> None:
    # Rows of unlike limits leave at unlike times, and the others move up.
    limits = [3, 90, 20, 7, 60]
    batch = _decode(search, encoded, prefixes, limits, temperature)
    for row, decoded in enumerate(batch):
        (alone,) = _decode(search, encoded[row : row + 1], [prefixes[row]], [limits[row]], temperature)
        assert decoded.tokens == alone.tokens
        assert decoded.log_probabilities == pytest.approx(alone.log_probabilities, abs=1e-4)
        assert decoded.no_speech_probability == pytest.approx(alone.no_speech_probability, abs=1e-6)


def test_the_device_is_waited_for_every_eighth_step(
    search: Search, encoded: torch.Tensor, prefixes: list[Prefix]
) -> None:
    limits = [3, 40, 20, 7, 33]
    seldom = Search(search._decoder, search._rules, steps_between_looks=8)
    with HostReads() as reads:
        batch = _decode(seldom, encoded, prefixes, limits)
    # A look at each eighth step and the last; the tokens, their probabilities, and those of silence.
    assert reads.count <= 40 / 8 + 1 + 3
    for decoded, each_step in zip(batch, _decode(search, encoded, prefixes, limits), strict=True):
        assert decoded.tokens == each_step.tokens
        assert decoded.log_probabilities == pytest.approx(each_step.log_probabilities, abs=1e-4)


def test_word_times_of_a_batch_are_read_at_once(
    search: Search, encoded: torch.Tensor, prefixes: list[Prefix], tokenizer: Tokenizer
) -> None:
    aligner = Aligner(search._decoder, AlignmentHeads({1: (0, 1)}), tokenizer.end_token)
    texts = [SpokenText(prefix.task, (5, 6, 7, 8)[:length], 50) for length, prefix in enumerate(prefixes)]
    with torch.inference_mode():
        audio = search._decoder.audio_memory(encoded)
        with HostReads() as reads:
            together = aligner.starts_s(texts, audio)
        alone = [aligner.starts_s([text], audio.between(row, row + 1))[0] for row, text in enumerate(texts)]
    assert reads.count == 1
    for one, other, text in zip(together, alone, texts, strict=True):
        assert len(one) == len(text.tokens) + 1
        assert np.array_equal(one, other)


def test_a_text_never_has_more_tokens_than_it_may(
    search: Search, encoded: torch.Tensor, prefixes: list[Prefix]
) -> None:
    limits = [1, 2, 30, 5, 17]
    for decoded, limit in zip(_decode(search, encoded, prefixes, limits), limits, strict=True):
        assert len(decoded.tokens) + decoded.ended <= limit
        assert len(decoded.log_probabilities) == len(decoded.tokens) + decoded.ended


def test_long_prompts_beside_short_ones_reach_the_last_position(
    search: Search, encoded: torch.Tensor, tokenizer: Tokenizer
) -> None:
    task = tokenizer.task("en")
    prefixes = [Prefix((), task), Prefix(tokenizer.prompt(("w" * 100,), 120), task)]
    limits = [448 - len(prefix) for prefix in prefixes]
    texts = _decode(search, encoded[:2], prefixes, limits)
    assert all(decoded.ended or len(decoded.tokens) == limit for decoded, limit in zip(texts, limits, strict=True))


def test_temperature_draws_other_texts_and_the_same_ones_again(
    search: Search, encoded: torch.Tensor, prefixes: list[Prefix]
) -> None:
    limits = [20] * _ROWS
    cold = _decode(search, encoded, prefixes, limits)
    warm, again = (_decode(search, encoded, prefixes, limits, 0.8) for _ in range(2))
    assert [each.tokens for each in warm] == [each.tokens for each in again]
    assert all(each.tokens != other.tokens for each, other in zip(warm, cold, strict=True))


def test_attention_is_that_of_the_eager_model(
    checkpoint: Path, model: WhisperForConditionalGeneration, encoded: torch.Tensor
) -> None:
    eager = WhisperForConditionalGeneration.from_pretrained(checkpoint, attn_implementation="eager").eval()
    tokens = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (_ROWS, 9)))
    decoder = TextDecoder(model)
    with torch.inference_mode():
        scores = decoder.attention(tokens, decoder.audio_memory(encoded), {0: (1,), 1: (0, 1)})
        seen = eager(
            encoder_outputs=BaseModelOutput(last_hidden_state=encoded),
            decoder_input_ids=tokens,
            output_attentions=True,
        ).cross_attentions
    expected = torch.cat([seen[0][:, 1:], seen[1]], dim=1)
    assert torch.allclose(scores.softmax(dim=-1), expected, atol=1e-5)


def test_a_compiled_step_is_compiled_before_it_is_needed() -> None:
    """With the compiler's front end alone: kernels take it minutes."""
    config = WhisperConfig(
        vocab_size=100,
        d_model=32,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        decoder_ffn_dim=32,
        pad_token_id=0,
        bos_token_id=0,
        eos_token_id=0,
        decoder_start_token_id=1,
        max_source_positions=10,
    )
    model = WhisperForConditionalGeneration(config).eval()
    compiled = TextDecoder(model, partial(torch.compile, dynamic=True, backend="eager", fullgraph=True))
    plain = TextDecoder(model)
    with torch.inference_mode(), torch._dynamo.config.patch(error_on_recompile=True):
        for rows, slot in ((1, 0), (1, 4 * SLOT_STEP), (2, SLOT_STEP - 1), (2, SLOT_STEP), (5, 4 * SLOT_STEP)):
            padding, tokens = torch.arange(rows), torch.arange(rows)
            audio = plain.audio_memory(torch.randn(rows, 10, 32))
            texts = [plain.text_memory(rows, 300) for _ in range(2)]
            one, other = (
                decoder.step(tokens, slot, padding, text, audio)
                for decoder, text in zip((compiled, plain), texts, strict=True)
            )
            assert torch.allclose(one, other, atol=1e-5)
            assert torch.equal(texts[0].states, texts[1].states)
    torch.compiler.reset()
