from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts import Word
from serve_app.dialects.openai.realtime_items import Items
from serve_app.dialects.openai.realtime_text import GrowingText
from serve_app.live.contracts import Final, Partial, SpeechEnded, SpeechStarted

pytestmark = pytest.mark.unit

VOCABULARY = st.sampled_from(["Hello,", "Hello", "there.", "there", "ray", "serve", "Rayscribe", "日", "a"])
HYPOTHESIS = st.lists(VOCABULARY, max_size=6)


def words_of(texts: list[str], start_s: float = 0.0) -> tuple[Word, ...]:
    return tuple(Word(text, start_s + i, start_s + i + 0.8, 0.5) for i, text in enumerate(texts))


def test_a_delta_is_what_will_not_change() -> None:
    text = GrowingText()
    said = words_of(["Hello", "there", "you"])
    assert text.grow("Hello there", said[:2], 0) == []
    assert [piece.text for piece in text.grow("Hello there you", said, 2)] == ["Hello", " there"]
    assert text.grow("Hello there you", said, 2) == []
    assert [piece.text for piece in text.complete("Hello there you", said)] == [" you"]


def test_a_mark_that_comes_late_follows_its_word() -> None:
    text = GrowingText()
    text.grow("Hello there", words_of(["Hello", "there"]), 1)
    assert [piece.text for piece in text.complete("Hello, there.", words_of(["Hello,", "there."]))] == [",", " there."]


def test_what_was_sent_stays_where_the_final_text_is_another() -> None:
    text = GrowingText()
    text.grow("hello ray serve", words_of(["hello", "ray", "serve"]), 2)
    text.complete("Hello Ray Serve now.", words_of(["Hello", "Ray", "Serve", "now."]))
    assert text.text == "hello ray Serve now."


def test_utterances_of_one_item_are_kept_apart() -> None:
    text = GrowingText()
    text.complete("Hello.", words_of(["Hello."]))
    assert text.grow("Yes", words_of(["Yes"], 2.0), 1)[0].text == " Yes"
    text.complete("Yes, sir.", words_of(["Yes,", "sir."], 2.0))
    assert text.text == "Hello. Yes, sir."


def test_text_that_is_not_its_words() -> None:
    text = GrowingText()
    assert text.grow("日本語", words_of(["日", "本"]), 1)[0].text == "日"
    text.complete("日本語", words_of(["日", "x"]))
    assert text.text == "日本語"


@given(st.lists(st.tuples(HYPOTHESIS, st.integers(0, 6)), max_size=5), HYPOTHESIS)
def test_deltas_are_the_transcript_and_never_change(hypotheses: list[tuple[list[str], int]], last: list[str]) -> None:
    text = GrowingText()
    sent = ""
    for hypothesis, stable in hypotheses:
        sent += "".join(piece.text for piece in text.grow(" ".join(hypothesis), words_of(hypothesis), stable))
        assert text.text == sent
        assert sent == "" or any(" ".join(seen).startswith(sent) for seen, _ in hypotheses)
    final = " ".join(last)
    before = sent
    sent += "".join(piece.text for piece in text.complete(final, words_of(last)))
    assert text.text == sent
    if final.startswith(before):
        assert sent == final


EVENTS = st.one_of(
    st.builds(SpeechStarted, st.floats(0, 9)),
    st.builds(SpeechEnded, st.floats(0, 9)),
    st.builds(
        lambda n, texts, stable, at: Partial(n, " ".join(texts), words_of(texts, at), at, at + len(texts), stable),
        st.integers(0, 3),
        HYPOTHESIS,
        st.integers(0, 6),
        st.floats(0, 9),
    ),
    st.builds(
        lambda n, texts, at, asked: Final(
            n, " ".join(texts), words_of(texts, at), at, at + len(texts), "en", from_finalize=asked
        ),
        st.integers(0, 3),
        HYPOTHESIS,
        st.floats(0, 9),
        st.booleans(),
    ),
    st.tuples(st.sampled_from(["commit", "clear"]), st.floats(0, 9)),
)


@given(st.booleans(), st.lists(EVENTS, max_size=25))
def test_in_any_order_of_events_items_are_consistent(detects_turns: bool, script: list[object]) -> None:
    items = Items(detects_turns=detects_turns, padding_s=0.3, logprobs=True)
    told = []
    for event in script:
        match event:
            case SpeechStarted():
                told += items.speech_started(event.at_s)
            case SpeechEnded():
                told += items.speech_ended(event.at_s)
            case Partial():
                told += items.partial(event)
            case Final():
                told += items.final(event)
            case ("commit", float() as at_s):
                told += items.commit(at_s)
            case (_, float() as at_s):
                told += items.clear(at_s)
    deltas: dict[str, str] = {}
    committed: list[str] = []
    completed: list[str] = []
    started: set[str] = set()
    for message in told:
        item_id = message.get("item_id", "")
        match message["type"].rpartition(".")[2]:
            case "speech_started":
                started.add(item_id)
            case "speech_stopped":
                assert item_id in started
            case "committed":
                assert message["previous_item_id"] == (committed[-1] if committed else None)
                committed.append(item_id)
            case "delta":
                assert message["delta"]
                assert item_id not in completed
                deltas[item_id] = deltas.get(item_id, "") + message["delta"]
            case "completed":
                assert item_id in committed
                assert message["transcript"] == deltas.get(item_id, "")
                assert "".join(entry["token"] for entry in message["logprobs"]) == message["transcript"]
                completed.append(item_id)
    assert len(set(committed)) == len(committed)
    assert len(set(completed)) == len(completed)
    assert len({message["event_id"] for message in told}) == len(told)
