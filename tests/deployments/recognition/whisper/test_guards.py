"""Which texts are not believed, and which rows are decoded again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts import Word
from deployments.recognition.whisper.guards import (
    Attempt,
    Verdict,
    compressible_from,
    compression_ratio,
    judge,
    spared,
    with_fallback,
)
from deployments.recognition.whisper.search import Decoded
from deployments.recognition.whisper.settings import GuardSettings

pytestmark = pytest.mark.unit

_HINDI = (
    "भारत एक विशाल देश है जहाँ अनेक भाषाएँ बोली जाती हैं। यहाँ के लोग अलग अलग धर्मों को मानते हैं और मिलजुल कर रहते हैं। "
    "देश की राजधानी नई दिल्ली है, और सबसे बड़ा शहर मुंबई है। हर साल लाखों पर्यटक यहाँ घूमने आते हैं, और ताज महल को देखकर "
    "चकित रह जाते हैं। मानसून के मौसम में खेतों में हरियाली छा जाती है।"
)


def _decoded(mean_log_probability: float = -0.1, no_speech_probability: float = 0.0) -> Decoded:
    return Decoded((1,), np.array([mean_log_probability], np.float32), True, no_speech_probability)


def _attempt(verdict: Verdict, mean_log_probability: float = -0.1) -> Attempt:
    return Attempt(_decoded(mean_log_probability), (), verdict)


@pytest.mark.parametrize(
    ("decoded", "words", "verdict"),
    [
        (_decoded(), "all is well", Verdict.ACCEPTED),
        (_decoded(-1.1), "all is well", Verdict.UNSURE),
        (_decoded(-1.1, 0.7), "all is well", Verdict.SILENCE),
        # Sure of the words in spite of the silence: words it is.
        (_decoded(-0.9, 0.7), "all is well", Verdict.ACCEPTED),
        (_decoded(), "thank you " * 12, Verdict.LOOP),
        (_decoded(), "m" * 100, Verdict.LOOP),
        (_decoded(), _HINDI, Verdict.ACCEPTED),
    ],
)
def test_verdicts(decoded: Decoded, words: str, verdict: Verdict) -> None:
    assert judge(decoded, words.split(), GuardSettings()) is verdict


def test_letters_of_three_bytes_are_no_repetition() -> None:
    spread = len(_HINDI.encode()) / len(_HINDI)
    assert spread > 2.4
    assert compression_ratio(_HINDI) < 1.7


@given(st.text(alphabet="abcde ", max_size=60))
def test_a_ratio_does_not_depend_on_the_script(text: str) -> None:
    assert compression_ratio(text) == compression_ratio(text.translate(str.maketrans("abcde ", "कखगघङ।")))


def test_a_text_that_repeats_itself_within_words_is_cut_where_it_begins_to_show() -> None:
    words = ["so", "he", "said:", "ha" * 200, "and", "left"]
    assert compressible_from(words, GuardSettings()) == 3


def test_words_that_somebody_repeats_are_no_loop_however_many() -> None:
    words = ("please hold " * 30 + "your call is important to us").split()
    assert judge(_decoded(), words, GuardSettings()) is Verdict.LOOP
    assert judge(_decoded(), words, GuardSettings(), repeats_are_said=True) is Verdict.ACCEPTED
    assert judge(_decoded(-1.1), words, GuardSettings(), repeats_are_said=True) is Verdict.UNSURE
    assert judge(_decoded(), [*words, "m" * 200], GuardSettings(), repeats_are_said=True) is Verdict.LOOP
    assert compressible_from(words, GuardSettings()) is None


@pytest.mark.parametrize(
    ("word_s", "ended", "verdict"),
    [(0.4, True, Verdict.ACCEPTED), (0.04, True, Verdict.LOOP), (0.4, False, Verdict.LOOP)],
    ids=["somebody", "the model", "the model, without an end"],
)
def test_time_tells_who_repeats_himself(word_s: float, ended: bool, verdict: Verdict) -> None:
    texts = ("please hold " * 4).split()
    decoded = Decoded((1,), np.array([-0.1], np.float32), ended, 0.0)
    loop = Attempt(decoded, (), judge(decoded, texts, GuardSettings()))
    asked: list[int] = []

    def timed(rows: Sequence[int]) -> list[list[Word]]:
        asked.extend(rows)
        return [[Word(text, at * word_s, (at + 1) * word_s, 0.9) for at, text in enumerate(texts)] for _ in rows]

    unsure, spoken = spared([_attempt(Verdict.UNSURE), loop], timed, GuardSettings())
    assert loop.verdict is Verdict.LOOP
    assert (unsure.verdict, spoken.verdict) == (Verdict.UNSURE, verdict)
    assert asked == [1]


class _ScriptedDecoder:
    """Gives each row its verdicts in turn and notes who was decoded at which temperature."""

    def __init__(self, *verdicts: Sequence[tuple[Verdict, float]]) -> None:
        self._left = [list(each) for each in verdicts]
        self.calls: list[tuple[list[int], float]] = []

    def __call__(self, rows: Sequence[int], temperature: float) -> list[Attempt]:
        self.calls.append((list(rows), temperature))
        return [_attempt(*self._left[row].pop(0)) for row in rows]


def test_only_rows_that_fail_are_decoded_again_and_only_until_they_pass() -> None:
    decoder = _ScriptedDecoder(
        [(Verdict.ACCEPTED, -0.1)],
        [(Verdict.LOOP, -0.1), (Verdict.UNSURE, -1.4), (Verdict.ACCEPTED, -0.6)],
        [(Verdict.UNSURE, -1.2), (Verdict.ACCEPTED, -0.8)],
        [(Verdict.SILENCE, -1.5)],
    )
    attempts = with_fallback(decoder, [True] * 4, (0.0, 0.2, 0.4, 0.6))
    assert decoder.calls == [([0, 1, 2, 3], 0.0), ([1, 2], 0.2), ([1], 0.4)]
    assert [attempt.verdict for attempt in attempts] == [*[Verdict.ACCEPTED] * 3, Verdict.SILENCE]


def test_drafts_are_decoded_once() -> None:
    decoder = _ScriptedDecoder([(Verdict.LOOP, -0.1)], [(Verdict.LOOP, -0.1), (Verdict.ACCEPTED, -0.1)])
    with_fallback(decoder, [False, True], (0.0, 0.2))
    assert decoder.calls == [([0, 1], 0.0), ([1], 0.2)]


def test_of_failures_the_likeliest_that_is_no_loop_is_kept() -> None:
    decoder = _ScriptedDecoder(
        [(Verdict.LOOP, -0.1), (Verdict.UNSURE, -1.4), (Verdict.UNSURE, -1.2), (Verdict.LOOP, -0.2)]
    )
    (kept,) = with_fallback(decoder, [True], (0.0, 0.2, 0.4, 0.6))
    assert kept.verdict is Verdict.UNSURE
    assert kept.decoded.mean_log_probability == pytest.approx(-1.2)
