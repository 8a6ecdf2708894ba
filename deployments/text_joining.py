"""Where a space stands between two pieces of text: one rule for words and sentences, for files and live.

Chinese and Japanese are written without spaces, and without one beside what they borrow ("我用GPU"). Thai, Lao, Khmer,
Burmese and Tibetan have none between their words, but one between sentences and around foreign words and numbers.
The script decides, not the label of the language: a label may be wrong, and a sentence may hold two scripts.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

import regex

# Punctuation and letters of full width bring their own room along.
_WIDE = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\u3001-\u303f\u30fb-\u30ff\uff01-\uff65]"
_UNSPACED = r"[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}]"
_NARROW_MARKS = r"[^\p{L}\p{M}\p{N}\p{S}\s]*"
_ENDS_WIDE = regex.compile(rf"{_WIDE}\p{{M}}*{_NARROW_MARKS}$")
_BEGINS_WIDE = regex.compile(rf"^{_NARROW_MARKS}{_WIDE}")
_ENDS_UNSPACED = regex.compile(rf"{_UNSPACED}$")
_BEGINS_UNSPACED = regex.compile(rf"^{_UNSPACED}")
_ANY_UNSPACED = regex.compile(rf"{_WIDE}|{_UNSPACED}")
# Marks only: 々 and letters of full width lie among them.
_ENDS_WITH_WIDE_MARK = regex.compile(r"[[\u3001-\u3030\uff01-\uff65]--[\p{L}\p{N}]]$", regex.V1)


def joined_words(words: Iterable[str]) -> str:
    """The words of one utterance as its text. Empty ones leave no trace."""
    return _joined(words, separator)


def joined_sentences(sentences: Iterable[str]) -> str:
    """Sentences, or stretches of a transcript, as one text. Empty ones leave no trace."""
    return _joined(sentences, sentence_separator)


def is_unspaced(text: str) -> bool:
    """Whether some of its letters are of a script without spaces between words."""
    return not text.isascii() and _ANY_UNSPACED.search(text) is not None


def separator(before: str, after: str) -> str:
    """What stands between two words of one utterance: a space or nothing."""
    if not before or not after:
        return ""
    # Most seams need no closer look.
    if before.isascii() and after.isascii():
        return " "
    if _ENDS_WIDE.search(before) or _BEGINS_WIDE.search(after):
        return ""
    return "" if _ENDS_UNSPACED.search(before) and _BEGINS_UNSPACED.search(after) else " "


def sentence_separator(before: str, after: str) -> str:
    """What stands between two sentences: nothing behind a mark that brings its own room along, else a space."""
    return "" if not before or not after or _ENDS_WITH_WIDE_MARK.search(before) else " "


def _joined(pieces: Iterable[str], between: Callable[[str, str], str]) -> str:
    given = [piece for piece in pieces if piece]
    return "".join(itertools.chain(given[:1], *((between(*pair), pair[1]) for pair in itertools.pairwise(given))))
