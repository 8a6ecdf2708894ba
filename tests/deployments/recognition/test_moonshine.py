"""The real model on the real speech that comes with it."""

from __future__ import annotations

import jiwer
import numpy as np
import pytest
from whisper_normalizer.english import EnglishTextNormalizer

from deployments.contracts import SAMPLE_RATE_HZ, Samples, TimeSpan, Word
from deployments.recognition.degenerate import said_once
from deployments.recognition.engine import SpeechWindow
from deployments.recognition.moonshine.engine import MoonshineEngine, MoonshineSettings
from deployments.recognition.moonshine.tokenizer import Tokenizer, read_pieces
from deployments.recognition.moonshine.weights import model_folder
from deployments.recognition.windows import WindowSettings, plan_windows
from tests.fakes.noise_windows import noise_windows
from tests.fakes.recordings import TWO_CITIES, recording

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def engine() -> MoonshineEngine:
    return MoonshineEngine(MoonshineSettings(beams=4))


@pytest.fixture(scope="module")
def speech() -> Samples:
    return recording("two_cities")


def text(words: tuple[Word, ...]) -> str:
    return " ".join(word.text for word in words)


def cut(speech: Samples, start_s: float, end_s: float) -> Samples:
    return speech[int(start_s * SAMPLE_RATE_HZ) : int(end_s * SAMPLE_RATE_HZ)]


def english(samples: Samples, *, is_draft: bool = False) -> SpeechWindow:
    return SpeechWindow(samples, "en", is_draft=is_draft)


def test_the_opening_of_two_cities_is_heard(engine: MoonshineEngine, speech: Samples) -> None:
    whole = TimeSpan(0.0, len(speech) / SAMPLE_RATE_HZ)
    windows = plan_windows(speech, [whole], WindowSettings(longest_s=20.0))
    hypotheses = engine.transcribe([english(cut(speech, window.start_s, window.end_s)) for window in windows])
    normalise = EnglishTextNormalizer()
    heard = normalise(" ".join(text(hypothesis.words) for hypothesis in hypotheses)).split()
    truth = normalise(TWO_CITIES).split()
    assert jiwer.wer(" ".join(truth), " ".join(heard[: len(truth)])) < 0.1


def test_a_neighbour_in_the_batch_changes_nothing(engine: MoonshineEngine, speech: Samples) -> None:
    windows = [english(cut(speech, at, at + length)) for at, length in ((0, 5), (5, 9), (14, 3), (17, 12), (29, 6))]
    together = engine.transcribe(windows)
    alone = [engine.transcribe([window])[0] for window in windows]
    assert [text(hypothesis.words) for hypothesis in together] == [text(hypothesis.words) for hypothesis in alone]
    for batched, single in zip(together, alone, strict=True):
        assert batched.mean_log_probability == pytest.approx(single.mean_log_probability, abs=1e-3)


def test_words_lie_in_order_within_the_window(engine: MoonshineEngine, speech: Samples) -> None:
    (hypothesis,) = engine.transcribe([english(cut(speech, 0, 10))])
    assert len(hypothesis.words) > 15
    at_s = 0.0
    for word in hypothesis.words:
        assert at_s <= word.start_s <= word.end_s <= 10.0
        assert 0 < word.confidence <= 1
        at_s = word.start_s


def test_word_times_move_with_the_audio(engine: MoonshineEngine, speech: Samples) -> None:
    shift_s = 1.0
    plain = cut(speech, 0, 6)
    shifted = np.concatenate([np.zeros(int(shift_s * SAMPLE_RATE_HZ), np.float32), plain])
    first, second = (engine.transcribe([english(window)])[0].words for window in (plain, shifted))
    assert [word.text for word in first] == [word.text for word in second]
    moved = np.array([after.start_s - before.start_s for before, after in zip(first, second, strict=True)])
    assert np.median(moved) == pytest.approx(shift_s, abs=0.05)


def test_greedy_search_is_one_beam(speech: Samples) -> None:
    (hypothesis,) = MoonshineEngine(MoonshineSettings(beams=1)).transcribe([english(cut(speech, 0, 6))])
    assert "best of times" in text(hypothesis.words)


def test_a_draft_is_searched_greedily_beside_a_final(engine: MoonshineEngine, speech: Samples) -> None:
    samples = cut(speech, 14, 26)
    draft, final = engine.transcribe([english(samples, is_draft=True), english(samples)])
    (greedy,) = MoonshineEngine(MoonshineSettings(beams=1)).transcribe([english(samples)])
    (searched,) = engine.transcribe([english(samples)])
    assert (text(draft.words), text(final.words)) == (text(greedy.words), text(searched.words))
    assert draft.mean_log_probability == pytest.approx(greedy.mean_log_probability, abs=1e-3)


@pytest.mark.parametrize("samples", [0, 10, 900, 1600])
def test_a_window_too_short_for_a_word_is_no_error(engine: MoonshineEngine, samples: int) -> None:
    (hypothesis,) = engine.transcribe([english(np.zeros(samples, np.float32))])
    assert len(hypothesis.words) <= 2


def test_a_loop_of_the_model_is_not_passed_on() -> None:
    """Greedy search writes one thing over and over into this noise."""
    (noise,) = noise_windows((8.0,), seed=1)
    (hypothesis,) = MoonshineEngine(MoonshineSettings(beams=1)).transcribe([noise])
    texts = [word.text for word in hypothesis.words]
    assert texts
    assert said_once(texts) == texts


def test_what_somebody_repeats_is_kept_with_its_times(engine: MoonshineEngine, speech: Samples) -> None:
    said, pause = cut(speech, 3.1, 4.7), np.zeros(SAMPLE_RATE_HZ // 2, np.float32)
    (hypothesis,) = engine.transcribe([english(np.concatenate([*[said, pause] * 4, cut(speech, 5.1, 8.0)]))])
    words = [word.text.strip(".").casefold() for word in hypothesis.words]
    rest = "was the age of wisdom it was the age of foolishness"
    assert " ".join(words) == f"{'was the worst of times ' * 4}{rest}"
    worst = [word.start_s for word in hypothesis.words if word.text == "worst"]
    assert np.diff(worst) == pytest.approx([2.1] * 3, abs=0.05)
    assert not hypothesis.dropped_repeats


def test_the_tokenizer_joins_pieces_into_words() -> None:
    file = model_folder() / "tokenizer.bin"
    assert len(read_pieces(file.read_bytes())) == 32768
    assert Tokenizer(file).words([]) == []


def test_a_word_does_not_last_through_the_silence_behind_it(engine: MoonshineEngine, speech: Samples) -> None:
    pause_s, silence_s = 4.8, 2.0  # after "the worst of times."
    silence = np.zeros(int(silence_s * SAMPLE_RATE_HZ), np.float32)
    longer = np.concatenate([cut(speech, 0, pause_s), silence, cut(speech, pause_s, 8)])
    (plain,), (hypothesis,) = (engine.transcribe([english(window)]) for window in (cut(speech, 0, 8), longer))
    assert [word.text for word in hypothesis.words] == [word.text for word in plain.words]
    before, after = hypothesis.words[11:13]
    assert (before.text, after.text) == ("times.", "It")
    assert 4.4 < before.end_s < pause_s
    assert pause_s + silence_s < after.start_s < 7.2
