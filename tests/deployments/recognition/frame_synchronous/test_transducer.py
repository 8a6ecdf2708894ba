"""Transducers with random weights, against transformers' own search, and a joint network with a script."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from deployments.contracts import SAMPLE_RATE_HZ  # noqa: E402
from deployments.recognition.frame_synchronous.capabilities import PARAKEET_TDT_V3_LANGUAGES  # noqa: E402
from deployments.recognition.frame_synchronous.transducer import TransducerEngine, TransducerSettings  # noqa: E402
from deployments.recognition.frame_synchronous.transducer_search import Transduced, greedy_search  # noqa: E402
from deployments.torch_runtime import Precision, TorchSettings  # noqa: E402
from tests.fakes.frame_checkpoints import save_parakeet  # noqa: E402
from tests.fakes.host_reads import HostReads  # noqa: E402
from tests.fakes.little_memory import little_memory  # noqa: E402
from tests.fakes.noise_windows import largest_difference, noise_windows, texts  # noqa: E402

pytestmark = pytest.mark.engine

LENGTHS_S = (1.0, 2.37, 0.5, 2.37, 0.01)
KINDS = ("tdt", "rnnt")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("transducers")
    return {kind: save_parakeet(root / kind, kind) for kind in KINDS}


def engine(folder: Path, precision: Precision = Precision.FLOAT32) -> TransducerEngine:
    return TransducerEngine(folder, TransducerSettings(torch=TorchSettings(device="cpu", precision=precision)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_window_is_heard_as_if_it_were_alone(folders: dict[str, Path], kind: str) -> None:
    transducer = engine(folders[kind])
    together = transducer.transcribe(noise_windows(LENGTHS_S))
    alone = [transducer.transcribe([window])[0] for window in noise_windows(LENGTHS_S)]
    assert texts(together) == texts(alone)
    assert sum(len(text) for text in texts(together)) > 20
    assert largest_difference(together, alone) < 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_words_lie_in_order_within_the_window(folders: dict[str, Path], kind: str) -> None:
    windows = noise_windows(LENGTHS_S)
    hypotheses = engine(folders[kind]).transcribe(windows)
    assert any(hypothesis.words for hypothesis in hypotheses)
    for window, hypothesis in zip(windows, hypotheses, strict=True):
        for word in hypothesis.words:
            assert 0.0 <= word.start_s <= word.end_s <= window.duration_s
            assert 0.0 < word.confidence <= 1.0
        assert all(before.end_s <= after.start_s for before, after in pairwise(hypothesis.words))


@pytest.mark.filterwarnings("ignore:Using the model-agnostic default:UserWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_the_search_is_that_of_transformers_up_to_each_windows_end(folders: dict[str, Path], kind: str) -> None:
    """Its ``generate`` emits for a window that has ended until the longest one has."""
    model = getattr(transformers, f"ParakeetFor{kind.upper()}").from_pretrained(folders[kind]).eval()
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folders[kind])
    samples = [window.samples for window in noise_windows((1.0, 1.6, 0.5))]
    inputs = extractor(samples, sampling_rate=SAMPLE_RATE_HZ, return_tensors="pt")
    with torch.inference_mode():
        theirs = model.generate(**inputs, return_dict_in_generate=True)
        frames = model._get_subsampling_output_length(inputs["attention_mask"].sum(-1))
        ours = greedy_search(model, model.get_audio_features(**inputs).pooler_output, frames)
    starts = theirs.durations.cumsum(-1) - theirs.durations
    beyond = 0
    for row, found in enumerate(ours):
        emitted = [
            (int(token), int(frame))
            for token, frame in zip(theirs.sequences[row, 1:], starts[row, 1:], strict=True)
            if token != model.config.blank_token_id
        ]
        inside = [(token, frame) for token, frame in emitted if frame < frames[row]]
        assert [(token.token, token.first_frame) for token in found.tokens] == inside
        assert inside
        beyond += len(emitted) - len(inside)
    assert beyond > 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_device_is_waited_for_every_eighth_step(folders: dict[str, Path], kind: str) -> None:
    model = getattr(transformers, f"ParakeetFor{kind.upper()}").from_pretrained(folders[kind]).eval()
    frames = torch.tensor([40, 3, 17, 0])
    encoded = torch.randn(4, 40, model.config.decoder_hidden_size, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        with HostReads() as reads:
            found = greedy_search(model, encoded, frames, steps_between_looks=8)
        with HostReads() as reads_each_step:
            expected = greedy_search(model, encoded, frames, steps_between_looks=1)
    # Beside the looks: what was said, how likely, and the frames.
    assert reads.count <= reads_each_step.count / 8 + 2 + 3
    assert sum(len(row.tokens) for row in expected) > 10
    for row, other in zip(found, expected, strict=True):
        assert [(token.token, token.first_frame) for token in row.tokens] == [
            (token.token, token.first_frame) for token in other.tokens
        ]
        assert row.blank_log_probability == pytest.approx(other.blank_log_probability, abs=1e-5)


def test_half_the_precision_hears_the_same(folders: dict[str, Path]) -> None:
    """The probabilities moved by 0.014 at most."""
    windows = noise_windows((1.0, 2.37))
    exact = engine(folders["tdt"]).transcribe(windows)
    coarse = engine(folders["tdt"], Precision.BFLOAT16).transcribe(windows)
    assert texts(coarse) == texts(exact)
    assert largest_difference(coarse, exact) < 0.05


def test_a_batch_too_large_for_the_memory_is_halved(folders: dict[str, Path]) -> None:
    transducer = engine(folders["tdt"])
    windows = noise_windows(LENGTHS_S)
    expected = texts(transducer.transcribe(windows))
    with little_memory("ParakeetEncoderBlock", rows=2) as tried:
        assert texts(transducer.transcribe(windows)) == expected
    assert max(tried) == len(windows)


def test_calls_may_overlap(folders: dict[str, Path]) -> None:
    transducer = engine(folders["tdt"])
    windows = noise_windows(LENGTHS_S)
    expected = texts(transducer.transcribe(windows))
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: texts(transducer.transcribe(windows)), range(8))) == [expected] * 8


def test_without_other_settings_it_is_the_european_model(folders: dict[str, Path]) -> None:
    assert len(set(PARAKEET_TDT_V3_LANGUAGES)) == 25
    assert engine(folders["tdt"]).capabilities.languages == set(PARAKEET_TDT_V3_LANGUAGES)
    assert engine(folders["tdt"]).transcribe([]) == []


BLANK, SURE = 3, 8.0


@dataclass
class ScriptedTransducer:
    """Says what the script has for the frame: a token, or None, and an index into durations."""

    script: list[tuple[int | None, int]]
    durations: tuple[int, ...] = (0, 1, 2, 4)

    @property
    def config(self) -> Any:
        return SimpleNamespace(
            blank_token_id=BLANK,
            vocab_size=4,
            durations=list(self.durations),
            max_symbols_per_step=3,
        )

    @property
    def encoded(self) -> Any:
        """Each frame says its own number."""
        return torch.arange(float(len(self.script)))[None, :, None]

    @property
    def decoder(self) -> Any:
        """Without memory."""

        def lstm(embedded: Any, state: Any = None) -> Any:
            return embedded, state or (torch.zeros(1, len(embedded), 1),) * 2

        return SimpleNamespace(
            embedding=lambda token: torch.zeros(len(token), 1, 1), lstm=lstm, decoder_projector=lambda output: output
        )

    def joint(self, encoder_hidden_states: Any, decoder_hidden_states: Any) -> Any:
        scores = torch.zeros(len(encoder_hidden_states), 4 + len(self.durations))
        for row, frame in zip(scores, encoder_hidden_states[:, 0].int().tolist(), strict=True):
            token, duration = self.script[frame]
            row[BLANK if token is None else token] = SURE
            row[4 + duration] = SURE
        return scores


def heard(script: list[tuple[int | None, int]], frames: int | None = None) -> Transduced:
    model = ScriptedTransducer(script)
    (found,) = greedy_search(model, model.encoded, torch.tensor([frames or len(script)]))
    return found


def spans(found: Transduced) -> list[tuple[int, int, int]]:
    return [(token.token, token.first_frame, token.end_frame) for token in found.tokens]


def test_a_duration_skips_frames() -> None:
    """Durations are looked up: index 3 is four frames."""
    found = heard([(None, 2), (0, 1), (1, 3), (2, 1), (0, 1), (0, 1), (2, 1)])
    assert spans(found) == [(1, 2, 6), (2, 6, 7)]
    sure = float(torch.tensor([SURE, 0.0, 0.0, 0.0]).log_softmax(0)[0])
    assert [token.log_probability for token in found.tokens] == pytest.approx([sure, sure])
    assert found.blank_log_probability == pytest.approx(sure)


def test_nothing_always_moves_on() -> None:
    assert spans(heard([(None, 0), (None, 0), (1, 1)])) == [(1, 2, 3)]


def test_a_token_of_no_duration_is_not_said_for_ever() -> None:
    """Three symbols a frame, as the configuration allows."""
    assert spans(heard([(1, 0), (2, 1)])) == [(1, 0, 1)] * 3 + [(2, 1, 2)]


def test_a_token_ends_with_its_window() -> None:
    assert spans(heard([(0, 1), (1, 3), (2, 1), (2, 1), (2, 1)], frames=2)) == [(0, 0, 1), (1, 1, 2)]
