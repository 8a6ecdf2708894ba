"""Moonshine on transformers: with random weights, where anything tips a token; and with the real ones, on speech."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from deployments.contracts import SAMPLE_RATE_HZ, Samples, TimeSpan  # noqa: E402
from deployments.errors import EngineUnavailable  # noqa: E402
from deployments.recognition.degenerate import said_once  # noqa: E402
from deployments.recognition.engine import Hypothesis, SpeechWindow  # noqa: E402
from deployments.recognition.moonshine.alignment import token_starts  # noqa: E402
from deployments.recognition.moonshine.engine import MoonshineEngine, MoonshineSettings  # noqa: E402
from deployments.recognition.moonshine.rules import most_tokens  # noqa: E402
from deployments.recognition.moonshine_torch.alignment import FrameFits  # noqa: E402
from deployments.recognition.moonshine_torch.convert import convert  # noqa: E402
from deployments.recognition.moonshine_torch.encoder import encode  # noqa: E402
from deployments.recognition.moonshine_torch.engine import MoonshineTorchEngine, MoonshineTorchSettings  # noqa: E402
from deployments.recognition.windows import WindowSettings, plan_windows  # noqa: E402
from deployments.torch_runtime import Precision, TorchSettings  # noqa: E402
from tests.fakes.frame_checkpoints import save_parakeet  # noqa: E402
from tests.fakes.host_reads import HostReads  # noqa: E402
from tests.fakes.little_memory import little_memory  # noqa: E402
from tests.fakes.moonshine_checkpoint import save_moonshine  # noqa: E402
from tests.fakes.noise_windows import largest_difference, noise_windows, texts  # noqa: E402
from tests.fakes.recordings import recording  # noqa: E402

pytestmark = pytest.mark.engine

LENGTHS_S = (1.0, 2.37, 0.5, 2.37, 0.01)


@pytest.fixture(scope="module")
def random_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_moonshine(tmp_path_factory.mktemp("random"))


@pytest.fixture(scope="module")
def real_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real")
    convert(folder)
    return folder


@pytest.fixture(scope="module")
def speech() -> list[SpeechWindow]:
    return [*cut(recording("two_cities")), *cut(recording("beckett"))]


def cut(samples: Samples) -> list[SpeechWindow]:
    whole = TimeSpan(0.0, len(samples) / SAMPLE_RATE_HZ)
    return [
        SpeechWindow(samples[int(span.start_s * SAMPLE_RATE_HZ) : int(span.end_s * SAMPLE_RATE_HZ)], "en")
        for span in plan_windows(samples, [whole], WindowSettings(longest_s=10.0))
    ]


def engine(folder: Path, precision: Precision = Precision.FLOAT32) -> MoonshineTorchEngine:
    return MoonshineTorchEngine(folder, MoonshineTorchSettings(torch=TorchSettings(device="cpu", precision=precision)))


@pytest.fixture(scope="module")
def heard(real_weights: Path, speech: list[SpeechWindow]) -> list[Hypothesis]:
    return engine(real_weights).transcribe(speech)


def test_the_wheels_weights_say_the_same_on_both_runtimes(heard: list[Hypothesis], speech: list[SpeechWindow]) -> None:
    onnx = MoonshineEngine(MoonshineSettings(beams=1)).transcribe(speech)
    assert texts(heard) == texts(onnx)
    assert sum(len(text.split()) for text in texts(heard)) > 120
    assert largest_difference(heard, onnx) < 0.02
    words = [
        pair for ours, theirs in zip(heard, onnx, strict=True) for pair in zip(ours.words, theirs.words, strict=True)
    ]
    moved_s = np.array([abs(one.start_s - other.start_s) for one, other in words])
    # One frame. Where silence leads, the first word may begin anywhere in it: the activations of one are rounded.
    assert np.percentile(moved_s, 95) <= 0.025
    assert max(abs(one.confidence - other.confidence) for one, other in words) < 0.08


def test_real_speech_is_heard_as_if_it_were_alone(
    heard: list[Hypothesis], real_weights: Path, speech: list[SpeechWindow]
) -> None:
    moonshine = engine(real_weights)
    alone = [moonshine.transcribe([window])[0] for window in speech[-1:]]
    assert texts(alone) == texts(heard[-1:])
    assert largest_difference(alone, heard[-1:]) < 1e-4


def test_half_the_precision_hears_nearly_the_same(
    heard: list[Hypothesis], real_weights: Path, speech: list[SpeechWindow]
) -> None:
    coarse = engine(real_weights, Precision.BFLOAT16).transcribe(speech[:3])
    words, again = (" ".join(texts(hypotheses)).split() for hypotheses in (heard[:3], coarse))
    assert len(words) == len(again)
    assert sum(one != other for one, other in zip(words, again, strict=True)) <= 1
    assert largest_difference(coarse, heard[:3]) < 0.05


def test_a_loop_of_the_model_is_not_passed_on(real_weights: Path) -> None:
    """The same noise drives the model into a loop as on ONNX Runtime."""
    (heard,) = texts(engine(real_weights).transcribe(noise_windows((8.0,), seed=1)))
    assert heard
    assert said_once(heard.split()) == heard.split()


def test_what_somebody_repeats_is_kept(real_weights: Path) -> None:
    speech, pause = recording("two_cities"), np.zeros(SAMPLE_RATE_HZ // 2, np.float32)
    said = speech[int(3.1 * SAMPLE_RATE_HZ) : int(4.7 * SAMPLE_RATE_HZ)]
    (hypothesis,) = engine(real_weights).transcribe([SpeechWindow(np.concatenate([said, pause] * 4), "en")])
    words = [word.text.strip(".,?").casefold() for word in hypothesis.words]
    assert words == ["was", "the", "worst", "of", "times"] * 4
    assert not hypothesis.dropped_repeats


def test_random_weights_hear_a_window_as_if_it_were_alone(random_weights: Path) -> None:
    moonshine = engine(random_weights)
    together = moonshine.transcribe(noise_windows(LENGTHS_S))
    alone = [moonshine.transcribe([window])[0] for window in noise_windows(LENGTHS_S)]
    assert texts(together) == texts(alone)
    assert any(texts(together))
    assert largest_difference(together, alone) < 1e-5


def test_the_host_reads_no_more_for_more_windows(random_weights: Path) -> None:
    moonshine = engine(random_weights)
    windows = noise_windows((1.0,) * 6)
    with HostReads() as reads:
        hypotheses = moonshine.transcribe(windows)
    assert not any(hypothesis.dropped_repeats for hypothesis in hypotheses)
    # A look at each step of the longest text (a GPU: at each eighth), the tokens, their probabilities, their times; and
    # transformers asks twice whether a mask hides anything.
    assert 5 < reads.count <= most_tokens(windows[0].samples) + 5


@pytest.mark.parametrize("seed", range(3))
def test_words_are_timed_as_in_the_embedded_profile(seed: int) -> None:
    """Texts of different lengths in windows of different lengths, one of them with more tokens than frames."""
    random = np.random.default_rng(seed)
    tokens, frames = [5, 1, 9, 3], [40, 7, 6, 23]
    attention = random.dirichlet(np.full(max(frames), 0.1), (4, 3, max(tokens))).astype(np.float32)
    inside = torch.arange(max(frames)) < torch.tensor(frames)[:, None]
    attention *= inside.numpy()[:, None, None]
    fits = FrameFits(inside, max(tokens) + 2)
    for step in range(max(tokens)):
        fits.add(torch.from_numpy(attention[:, :, step]), torch.arange(4))
    fits.settle(torch.arange(4))
    starts = fits.token_starts(torch.tensor(tokens)).numpy()
    for row, (count, length) in enumerate(zip(tokens, frames, strict=True)):
        assert starts[row, :count].tolist() == token_starts(attention[row, :, :count, :length]).tolist()


def test_a_padded_batch_is_encoded_exactly(random_weights: Path) -> None:
    """transformers' own encoder is off by a third of what the states vary."""
    encoder = transformers.MoonshineForConditionalGeneration.from_pretrained(random_weights).eval().model.encoder
    samples = [torch.from_numpy(window.samples) for window in noise_windows((1.0, 2.37))]
    padded = torch.nn.utils.rnn.pad_sequence(samples, batch_first=True)
    lengths = torch.tensor([len(row) for row in samples])
    with torch.inference_mode():
        states, mask = encode(encoder, padded, lengths)
        alone = encoder(samples[0][None]).last_hidden_state[0]
        theirs = encoder(padded, torch.arange(padded.shape[1]) < lengths[:, None]).last_hidden_state[0]
    assert mask.sum(1).tolist() == [len(alone), states.shape[1]]
    torch.testing.assert_close(states[0, : len(alone)], alone, atol=1e-4, rtol=1e-4)
    assert float((theirs[: len(alone)] - alone).abs().mean()) > 0.1 * float(alone.std())


def test_words_lie_in_order_within_the_window(heard: list[Hypothesis], speech: list[SpeechWindow]) -> None:
    for window, hypothesis in zip(speech, heard, strict=True):
        at_s = 0.0
        for word in hypothesis.words:
            assert at_s <= word.start_s <= word.end_s <= window.duration_s
            assert 0 < word.confidence <= 1
            at_s = word.start_s


def test_a_batch_too_large_for_the_memory_is_halved(random_weights: Path) -> None:
    moonshine = engine(random_weights)
    windows = noise_windows(LENGTHS_S)
    expected = texts(moonshine.transcribe(windows))
    with little_memory("MoonshineEncoderLayer", rows=2) as tried:
        assert texts(moonshine.transcribe(windows)) == expected
    assert max(tried) == len(windows)


def test_calls_may_overlap(random_weights: Path) -> None:
    """Each call records the attention of its own pass only."""
    moonshine = engine(random_weights)
    windows = noise_windows(LENGTHS_S)
    expected = moonshine.transcribe(windows)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: moonshine.transcribe(windows), range(8)))
    for result in results:
        assert [hypothesis.words for hypothesis in result] == [hypothesis.words for hypothesis in expected]


def test_nothing_and_next_to_nothing_are_no_errors(random_weights: Path) -> None:
    moonshine = engine(random_weights)
    assert moonshine.transcribe([]) == []
    for hypothesis in moonshine.transcribe([SpeechWindow(np.zeros(samples, np.float32), "en") for samples in (0, 900)]):
        assert np.isfinite(hypothesis.mean_log_probability)


def test_the_settings_say_the_language_and_what_is_too_long(random_weights: Path) -> None:
    settings = MoonshineTorchSettings(languages=("uk",), most_tokens_per_s=1.0, torch=TorchSettings(device="cpu"))
    short = MoonshineTorchEngine(random_weights, settings)
    assert short.capabilities.languages == {"uk"}
    windows = noise_windows((2.0, 1.0), "uk")
    letters = [len(text.replace(" ", "")) for text in texts(short.transcribe(windows))]
    assert all(count <= 8 + window.duration_s for count, window in zip(letters, windows, strict=True))


def test_another_architecture_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match="'parakeet_ctc'"):
        engine(save_parakeet(tmp_path, "ctc"))
