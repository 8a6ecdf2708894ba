"""A Whisper that has learnt something: its words come when the audio says so, in any precision."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deployments.recognition.engine import Hypothesis, SpeechWindow
from deployments.recognition.whisper.engine import WhisperEngine
from deployments.recognition.whisper.settings import WhisperSettings
from deployments.torch_runtime import Precision, TorchSettings
from tests.fakes.checkpoints import Melody, melody

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def melodies() -> list[Melody]:
    """None of them was learnt from."""
    random = np.random.default_rng(99)
    return [melody(random) for _ in range(32)]


def _transcribed(folder: Path, melodies: list[Melody], precision: Precision) -> list[Hypothesis]:
    engine = WhisperEngine(folder, WhisperSettings(torch=TorchSettings(device="cpu", precision=precision)))
    return engine.transcribe([SpeechWindow(each.samples, "en") for each in melodies])


@pytest.fixture(scope="module")
def hypotheses(trained_checkpoint: Path, melodies: list[Melody]) -> list[Hypothesis]:
    return _transcribed(trained_checkpoint, melodies, Precision.FLOAT32)


def _text(hypothesis: Hypothesis) -> str:
    return "".join(word.text for word in hypothesis.words)


def test_words_end_with_the_tones_they_stand_for(melodies: list[Melody], hypotheses: list[Hypothesis]) -> None:
    right = [pair for pair in zip(hypotheses, melodies, strict=True) if _text(pair[0]) == pair[1].letters]
    # 26 of 32 when it was written; the median was 17 ms. Chance would give 1 of 32, and half a second.
    assert len(right) >= 16
    errors_s = [
        abs(word.end_s - tone.end_s)
        for hypothesis, heard in right
        for word, tone in zip(hypothesis.words, heard.tones, strict=True)
    ]
    assert np.median(errors_s) < 0.1


def test_the_model_is_less_sure_where_it_is_wrong(melodies: list[Melody], hypotheses: list[Hypothesis]) -> None:
    is_right = [_text(each) == heard.letters for each, heard in zip(hypotheses, melodies, strict=True)]
    sure = [each.mean_log_probability for each in hypotheses]
    assert not all(is_right)
    right, wrong = (
        np.mean([each for each, flag in zip(sure, is_right, strict=True) if flag is kind]) for kind in (True, False)
    )
    assert right > wrong


def test_half_precision_is_close(
    trained_checkpoint: Path, melodies: list[Melody], hypotheses: list[Hypothesis]
) -> None:
    """Texts of nearly all melodies are equal, confidences within 0.05, mean log-probabilities within 0.02."""
    half = _transcribed(trained_checkpoint, melodies, Precision.BFLOAT16)
    same = [pair for pair in zip(half, hypotheses, strict=True) if _text(pair[0]) == _text(pair[1])]
    assert len(same) >= 30
    for one, other in same:
        assert one.mean_log_probability == pytest.approx(other.mean_log_probability, abs=0.02)
        confidences = [[word.confidence for word in each.words] for each in (one, other)]
        assert confidences[0] == pytest.approx(confidences[1], abs=0.05)


def test_only_texts_that_are_not_believed_are_decoded_again(
    trained_checkpoint: Path, melodies: list[Melody], hypotheses: list[Hypothesis]
) -> None:
    settings = WhisperSettings(torch=TorchSettings(device="cpu"))
    middle = float(np.median([each.mean_log_probability for each in hypotheses]))
    strict = replace(settings, guards=replace(settings.guards, lowest_mean_log_probability=middle))
    again = WhisperEngine(trained_checkpoint, strict).transcribe(
        [SpeechWindow(each.samples, "en") for each in melodies]
    )
    for one, other in zip(again, hypotheses, strict=True):
        if other.mean_log_probability >= middle:
            assert one == other
        else:
            assert one.mean_log_probability >= other.mean_log_probability
    assert any(one != other for one, other in zip(again, hypotheses, strict=True))
