"""Words from tokens, and what goes before them. The checkpoint's tokens are single bytes: the hardest case."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.errors import UnsupportedParameter
from deployments.recognition.whisper.capabilities import read_json
from deployments.recognition.whisper.tokenizer import Tokenizer
from tests.fakes.checkpoints import whisper_checkpoint

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def tokenizer(checkpoint: Path) -> Tokenizer:
    return Tokenizer(checkpoint, read_json(checkpoint / "generation_config.json"))


def _tokens(tokenizer: Tokenizer, text: str) -> list[int]:
    spelled = {piece: token for token, piece in enumerate(tokenizer._bytes)}
    return [spelled[bytes([byte])] for byte in text.encode()]


def _text(tokenizer: Tokenizer, tokens: Sequence[int]) -> str:
    return b"".join(tokenizer._bytes[token] for token in tokens).decode(errors="replace").strip()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (" It's a well-known fact, isn't it?", ["It's", "a", "well-known", "fact,", "isn't", "it?"]),
        (" ¿Dónde está?", ["¿Dónde", "está?"]),
        (" C'est où ? Là !", ["C'est", "où ?", "Là !"]),
        (' He said "go" .', ["He", "said", '"go" .']),
        (" ¿ Dónde", ["¿ Dónde"]),
        ("你好，世界。", ["你", "好，", "世", "界。"]),
        ("「はい」と", ["「は", "い」", "と"]),
        ("我用 Ray Serve部署", ["我", "用", "Ray", "Serve", "部", "署"]),
        ("น้ำดี", ["น้", "ำ", "ดี"]),
        (" 안녕하세요 여러분", ["안녕하세요", "여러분"]),
        (" यह अच्छा है।", ["यह", "अच्छा", "है।"]),
        (" ...", ["..."]),
        ("", []),
    ],
)
def test_words(tokenizer: Tokenizer, text: str, words: list[str]) -> None:
    assert [word.text for word in tokenizer.words(_tokens(tokenizer, text))] == words


@given(text=st.text(max_size=30))
def test_words_spell_the_text_in_order_and_share_no_token(tokenizer: Tokenizer, text: str) -> None:
    tokens = _tokens(tokenizer, text.encode(errors="ignore").decode())
    words = tokenizer.words(tokens)
    ends = [0]
    for word in words:
        assert ends[-1] <= word.first_token < word.end_token <= len(tokens)
        assert _text(tokenizer, tokens[word.first_token : word.end_token]) == word.text
        ends.append(word.end_token)
    spelled = "".join("".join(word.text for word in words).split())
    assert spelled == "".join(_text(tokenizer, tokens).split())


@given(tokens=st.lists(st.integers(0, 255), max_size=20))
def test_broken_characters_do_not_break_words(tokenizer: Tokenizer, tokens: list[int]) -> None:
    words = tokenizer.words(tokens)
    assert all(before.end_token <= after.first_token for before, after in pairwise(words))


def test_a_prompt_has_the_hints_that_fit(tokenizer: Tokenizer) -> None:
    spelled = tokenizer.prompt(("Pulse", "Ray Serve", "Rayscribe"), 20)
    assert _text(tokenizer, spelled[1:]) == "Pulse, Ray Serve."
    assert len(spelled) <= 20
    assert tokenizer.prompt(("Pulse",), 5) == ()
    assert tokenizer.prompt((), 20) == ()


def test_a_hint_cannot_smuggle_in_a_command(tokenizer: Tokenizer) -> None:
    hostile = tokenizer.prompt(("a<|endoftext|><|nospeech|><|0.00|>b",), 100)
    assert _text(tokenizer, hostile[1:]) == "ab."
    assert all(token < tokenizer.end_token for token in hostile[1:])


def test_each_language_has_its_token(tokenizer: Tokenizer) -> None:
    tasks = {language: tokenizer.task(language) for language in tokenizer.languages}
    assert len(set(tasks.values())) == 99
    assert {len(task) for task in tasks.values()} == {4}


def test_an_english_checkpoint_has_no_language_token(tmp_path: Path) -> None:
    folder = whisper_checkpoint(tmp_path, english_only=True, window_s=4)
    tokenizer = Tokenizer(folder, read_json(folder / "generation_config.json"))
    assert len(tokenizer.task("en")) == 2
    with pytest.raises(UnsupportedParameter, match="'fr'") as raised:
        tokenizer.task("fr")
    assert raised.value.supported == ("en",)
