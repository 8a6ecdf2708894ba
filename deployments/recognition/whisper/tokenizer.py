"""Whisper's tokens: what goes before the text, what the text may not have, and how tokens are words."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from transformers import WhisperTokenizer
from transformers.convert_slow_tokenizer import bytes_to_unicode

from deployments.errors import EngineUnavailable, UnsupportedParameter
from deployments.recognition.spelling import TokenizedWord
from deployments.recognition.whisper.capabilities import language_tokens
from deployments.whisper.checkpoint import read_tokenizer

# Scripts that put no space between words: kana, Han, Thai, Lao, Burmese, Khmer. The unit of Whisper's word times there
# is the token (split_to_word_tokens of the reference), and Khmer, which the reference forgets, is treated alike.
_UNSPACED = re.compile(
    "[\u3040-\u30ff\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]"
)
# What the reference joins with the word after it, and with the one before.
_OPENING = frozenset("\"'“¿([{-«「『（")
_CLOSING = frozenset("\"'.。,，!！?？:：;；”»)]}、」』）。।…")


class Tokenizer:
    """Tokens of one checkpoint. Everything from end_token on is no text: languages, tasks, times.

    Args:
        folder: with tokenizer.json, or vocab.json and merges.txt.
        generation: the checkpoint's generation_config.json.
    """

    def __init__(self, folder: Path, generation: Mapping[str, object]) -> None:
        tokenizer = read_tokenizer(folder)
        self._tokenizer = tokenizer
        self._languages = language_tokens(generation)
        self.end_token: int = _id(tokenizer, "<|endoftext|>")
        self.no_speech_token: int = _id(tokenizer, "<|notimestamps|>") - 1
        self._before_prompt: int = _id(tokenizer, "<|startofprev|>")
        self._start: int = _id(tokenizer, "<|startoftranscript|>")
        self._transcribe: int = _id(tokenizer, "<|transcribe|>")
        self._no_times: int = _id(tokenizer, "<|notimestamps|>")
        byte_of = {character: byte for byte, character in bytes_to_unicode().items()}
        pieces = tokenizer.convert_ids_to_tokens(list(range(self.end_token)))
        self._bytes = [bytes(byte_of[character] for character in piece or "") for piece in pieces]

    @property
    def languages(self) -> frozenset[str]:
        """ISO 639-1 codes."""
        return frozenset({"en"} if self._languages is None else self._languages)

    def task(self, language: str) -> tuple[int, ...]:
        """The tokens that say what is to be done; the text follows. As many for every language.

        Raises:
            UnsupportedParameter: the checkpoint does not have the language.
        """
        if language not in self.languages:
            supported = tuple(sorted(self.languages))
            raise UnsupportedParameter("language", f"this Whisper checkpoint does not know {language!r}", supported)
        if self._languages is None:
            return (self._start, self._no_times)
        return (self._start, self._languages[language], self._transcribe, self._no_times)

    def prompt(self, hints: Sequence[str], most_tokens: int) -> tuple[int, ...]:
        """The hints as if they had been said just before; those that do not fit into most_tokens are left out.

        A hint cannot smuggle a command in: what it spells of one is dropped.
        """
        chosen: tuple[int, ...] = ()
        for count in range(1, len(hints) + 1):
            encoded = self._tokenizer.encode(" " + ", ".join(hints[:count]) + ".", add_special_tokens=False)
            text = tuple(token for token in encoded if token < self.end_token)
            if 1 + len(text) > most_tokens:
                break
            chosen = (self._before_prompt, *text)
        return chosen

    def words(self, tokens: Sequence[int]) -> list[TokenizedWord]:
        """Words in order; a token that spells part of a character, or punctuation, belongs to the word it touches."""
        return _joined_punctuation(_split(self._characters(tokens)))

    def _characters(self, tokens: Sequence[int]) -> list[TokenizedWord]:
        """The shortest runs of tokens that spell whole characters. Broken UTF-8 becomes U+FFFD."""
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        pieces, text, first = [], "", 0
        for index, token in enumerate(tokens):
            last = index + 1 == len(tokens)
            text += decoder.decode(self._bytes[token], final=last)
            if last or not decoder.getstate()[0]:
                pieces.append(TokenizedWord(text, first, index + 1))
                text, first = "", index + 1
        return pieces


def _split(pieces: Sequence[TokenizedWord]) -> list[TokenizedWord]:
    """A word begins with a space, and on both sides of what is written in a script without spaces."""
    words: list[TokenizedWord] = []
    for piece in pieces:
        if words and not _begins(words[-1].text, piece.text):
            words[-1] = _join(words[-1], piece)
        else:
            words.append(piece)
    return words


def _begins(before: str, piece: str) -> bool:
    if not before or not piece or unicodedata.category(piece[0]).startswith("M"):
        return False
    return piece[0].isspace() or bool(_UNSPACED.match(piece[0]) or _UNSPACED.match(before[-1]))


def _joined_punctuation(words: Sequence[TokenizedWord]) -> list[TokenizedWord]:
    """Without words that are nothing but punctuation, unless nothing else was said."""
    joined: list[TokenizedWord] = []
    opening: TokenizedWord | None = None
    for word in words:
        opened = word if opening is None else _join(opening, word)
        opening = None
        if joined and opened is word and _closes(word.text):
            joined[-1] = _join(joined[-1], word)
        elif _only(_OPENING, opened.text):
            opening = opened
        else:
            joined.append(opened)
    if opening is not None:
        joined.append(opening)
    return [replace(word, text=text) for word in joined if (text := word.text.strip())]


def _closes(text: str) -> bool:
    # A quotation mark is both: after a space it opens.
    return _only(_CLOSING, text) and not (text[0].isspace() and _only(_OPENING, text))


def _only(characters: frozenset[str], text: str) -> bool:
    return text.strip() != "" and all(character in characters for character in text.strip())


def _join(first: TokenizedWord, second: TokenizedWord) -> TokenizedWord:
    return TokenizedWord(first.text + second.text, first.first_token, second.end_token)


def _id(tokenizer: WhisperTokenizer, token: str) -> int:
    number = tokenizer.get_vocab().get(token)
    if number is None:
        raise EngineUnavailable(f"The tokenizer of this checkpoint is not Whisper's: it has no {token}")
    return int(number)
