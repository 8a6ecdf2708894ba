"""How alike a heard run of words and a term are: in spelling and, for Latin letters, in sound.

Spelling is the normalised Levenshtein similarity of the two keys: lower case, no accents, one space between words. A
space is a letter like any other, so that "I ran" is not "Iran"; letters that were spelled out are one word ("a p i").

Sound is the same similarity of Metaphone codes (Philips 1990, "Hanging on the Metaphone"), which keep the consonants
and a vowel at the start. Half of it is taken from the codes as they are, half from the codes with voiced and voiceless
consonants, nasals and first vowels made one: "Kubernetes" heard as "cooper netties" differs by half a letter of six.
Matching a recogniser's output to a list by phonetic edit distance is the method of Campos-Sobrino et al. 2021
(arXiv:2102.09680).

Hundreds of words share a code of two consonants, hardly two a code of six. So sound counts for 0.12 of the whole
for each letter of the term's code, up to six, and spelling for the rest. Where the code says nothing (other scripts),
spelling is all, and so it is for words heard in another language than English, whose consonants Metaphone knows.

A run that begins with the term, or the other way round, is less like it by 0.06 than it looks: it is more often another
form or another word ("server" for "Serve", "modern" for "Moderna") than a mishearing.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache

import jellyfish
from rapidfuzz.distance import Levenshtein

_HYPHENS = re.compile(r"[-‐‑–—/_\s]+")
_SPELLED_OUT = re.compile(r"(?<=\b\w) (?=\w\b)")
_ACCENT = re.compile(r"(?<=[a-z])[\u0300-\u036f]+")
_INNER_CAPITALS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z])(?=[0-9])")
_MERGED_SOUNDS = str.maketrans("B0DJMEIOU", "PTTXNAAAA")

SOUND_LANGUAGES = frozenset({"en"})
"""Metaphone has English rules (silent letters, "gh", a soft c): elsewhere it makes words alike that are not."""

_SOUND_SHARE_PER_LETTER = 0.12
_MOST_SOUND_LETTERS = 6
_OTHER_FORM_COST = 0.06


@dataclass(frozen=True, slots=True)
class Sound:
    """Metaphone codes: exact, and with sounds merged that recognisers take for each other."""

    code: str
    merged: str


def spelling_key(text: str) -> str:
    """The text as it is compared: lower case, accents off Latin letters, words parted by single spaces."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    spoken = "".join(filter(_belongs, _HYPHENS.sub(" ", folded)))
    return join_spelled_out(" ".join(_ACCENT.sub("", spoken).split()))


@cache
def is_spoken(character: str) -> bool:
    """Letters, digits and the marks that many scripts write vowels with, which are no word characters to re."""
    return unicodedata.category(character)[0] in "LMN"


def _belongs(character: str) -> bool:
    return character == " " or is_spoken(character)


def join_spelled_out(key: str) -> str:
    """Single letters in a row as one word."""
    return _SPELLED_OUT.sub("", key)


def spoken_words(term: str) -> str:
    """The term parted where its capitals and digits say that words begin: FastAPI is Fast API."""
    return _INNER_CAPITALS.sub(" ", term)


def sound_of(key: str) -> Sound | None:
    """How a spelling key sounds; None where the code knows nothing of its letters."""
    letters = key.replace(" ", "")
    if not letters.isascii():
        return None
    code = jellyfish.metaphone(letters)
    return Sound(code, code.translate(_MERGED_SOUNDS)) if code else None


def likeness(term: str, heard: str, spelling: float, term_sound: Sound | None, heard_sound: Sound | None) -> float:
    """0..1 from two spelling keys, their similarity (0..1) and their sounds; 1 for equal keys only."""
    if term == heard:
        return 1.0
    other_form = _OTHER_FORM_COST if term.startswith(heard) or heard.startswith(term) else 0.0
    if term_sound is None or heard_sound is None:
        return spelling - other_form
    sound = 0.5 * Levenshtein.normalized_similarity(term_sound.code, heard_sound.code)
    sound += 0.5 * Levenshtein.normalized_similarity(term_sound.merged, heard_sound.merged)
    share = _SOUND_SHARE_PER_LETTER * min(len(term_sound.code), _MOST_SOUND_LETTERS)
    return share * sound + (1 - share) * spelling - other_form
