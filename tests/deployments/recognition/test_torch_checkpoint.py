"""How a vocabulary spells."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from deployments.recognition.spelling import spell_words
from deployments.recognition.torch_checkpoint import spelled_pieces

pytestmark = pytest.mark.unit


class _Characters:
    """The tokenizer of a character vocabulary: a padding, the mark between words, and the letters."""

    all_special_ids = (0,)
    word_delimiter_token_id = 1

    def __init__(self, letters: str) -> None:
        self._names = ["<pad>", "|", *letters]

    def __len__(self) -> int:
        return len(self._names)

    def convert_ids_to_tokens(self, tokens: list[int]) -> list[str]:
        return [self._names[token] for token in tokens]


@pytest.mark.parametrize(
    ("letters", "said", "spelled"),
    [
        ("FÜRSCHÖN", "FÜR|SCHÖN", "für schön"),
        ("ПРИВЕТ", "ПРИВЕТ", "привет"),
        ("WEISßAU", "WEIß|AUS", "weiß aus"),
        ("ÜBERüber", "Über", "Über"),
        ("नमस्ते", "नमस्ते", "नमस्ते"),
    ],
    ids=["german", "russian", "no-capital-of-its-own", "both-cases", "no-case"],
)
def test_a_vocabulary_of_capitals_alone_is_spelled_in_small_letters(letters: str, said: str, spelled: str) -> None:
    tokenizer = _Characters(letters)
    pieces = spelled_pieces(tokenizer, len(tokenizer))
    names = ["<pad>", "|", *letters]
    assert " ".join(word.text for word in spell_words([pieces[names.index(name)] for name in said])) == spelled
