from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.text_joining import joined_sentences, joined_words, sentence_separator, separator

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["hello,", "there."], "hello, there."),
        (["मैं", "हिन्दी", "बोलता", "हूँ।"], "मैं हिन्दी बोलता हूँ।"),
        (["아버지가", "방에", "들어가신다."], "아버지가 방에 들어가신다."),
        (["今天", "天气", "很", "好。"], "今天天气很好。"),
        (["我", "用", "GPU", "训练", "。"], "我用GPU训练。"),
        (["コーヒー", "を", "飲む"], "コーヒーを飲む"),
        (["「", "はい", "」", "と", "言う"], "「はい」と言う"),
        (["你好,", "世界"], "你好,世界"),
        (["ฉัน", "ใช้", "GPU", "ใน", "งาน"], "ฉันใช้ GPU ในงาน"),
        (["ຂ້ອຍ", "ມັກ"], "ຂ້ອຍມັກ"),
        (["a", "", "b"], "a b"),
        ([], ""),
    ],
)
def test_words_stand_apart_as_their_script_has_it(words: list[str], text: str) -> None:
    assert joined_words(words) == text


@pytest.mark.parametrize(
    ("sentences", "text"),
    [
        (["Hello.", "Yes."], "Hello. Yes."),
        (["你好。", "再见。"], "你好。再见。"),
        (["你好", "再见"], "你好 再见"),
        (["ＡＢ", "ＣＤ"], "ＡＢ ＣＤ"),
        (["สวัสดี", "ลาก่อน"], "สวัสดี ลาก่อน"),
        (["हाँ।", "Yes."], "हाँ। Yes."),
        (["", "a", "", "b"], "a b"),
    ],
)
def test_sentences_stand_apart_unless_their_mark_does_it(sentences: list[str], text: str) -> None:
    assert joined_sentences(sentences) == text


@given(st.lists(st.text(st.characters(max_codepoint=0xDFF, exclude_categories=("Z", "C")), min_size=1)))
def test_scripts_with_spaces_are_joined_by_them(words: list[str]) -> None:
    assert joined_words(words) == " ".join(words) == joined_sentences(words)


@given(st.lists(st.text(min_size=1, max_size=6), max_size=8))
def test_a_text_is_its_pieces_and_what_stands_between_two(pieces: list[str]) -> None:
    for joined, between in ((joined_words, separator), (joined_sentences, sentence_separator)):
        text = joined(pieces)
        for before, piece in zip(["", *pieces], pieces, strict=False):
            space = between(before, piece)
            assert text.startswith(space + piece)
            text = text.removeprefix(space + piece)
        assert text == ""
