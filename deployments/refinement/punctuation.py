"""Deterministic clean-up of punctuation and casing, word by word, so that times and speakers stay where they are.

The recogniser punctuates by itself; what it cannot know is where its windows were cut. Here the text of a request
becomes one: no stray or doubled marks, a capital after every end of sentence, and an end for the last one, in the marks
of the language. What "U.S. government" and "5 p.m. on Tuesday" are, the recogniser knows better: where it writes
capitals at all, a full stop before a small letter ends nothing. Scripts without capitals keep their letters, and Thai
and Lao, which end sentences by a space, get no mark.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import zip_longest

import regex

from deployments.contracts import Segment, Word
from deployments.text_joining import joined_words

SENTENCE_ENDS = ".!?…" + "।॥" + "؟۔" + "։" + "።፧" + "។" + "။" + "。！？｡"
"""Latin; Devanagari and its neighbours; Arabic and Urdu; Armenian; Ethiopic; Khmer; Burmese; Chinese and Japanese."""

MARKS = SENTENCE_ENDS + ",;:" + "،؛" + "՝" + "፣፤፥" + "၊" + "、，；："
"""All marks that may stand behind a word, in the same order."""

_DOUBLED = regex.compile(rf"([{regex.escape(MARKS)}])[{regex.escape(MARKS)}]+$")
_STRONGEST_FIRST = "?؟？፧!！" + SENTENCE_ENDS
_CLOSERS = "\"')]}”’»」』）】》"
# Vowel signs and other combining marks are \p{M}, and no word characters to re: "हिन्दी" would lose its last vowel. A
# joiner may end a word, too. Marks inside a word (don't, 3.5, well-known) belong to it, and signs are said aloud.
_SAID = r"\p{L}\p{M}\p{N}_\u200c\u200d'%$€£₹°#@&+"
_OUTER_MARKS = regex.compile(rf"^[^{_SAID}]+|[^{_SAID}]+$")
# Chinese and Japanese words may come as whole phrases.
_WIDE_MARKS = regex.compile(r"[、。，！？；：「」『』（）【】《》｡]")
# No sentence ends with these. What may end one (etc., p.m., Inc., U.S.) does unless a small letter follows.
_ABBREVIATIONS = frozenset(
    {"mr.", "mrs.", "ms.", "dr.", "st.", "prof.", "vs.", "e.g.", "i.e.", "approx.", "vol.", "fig."}
    | {"hr.", "nr.", "ca.", "bzw.", "z."}
    | {"m.", "mme.", "mlle."}
    | {"sr.", "sra.", "srta.", "ee."}
)
_FULL_STOPS = (".", "…")
_SENTENCE_ENDS = tuple(SENTENCE_ENDS)

_DANDA = ("hi", "mai", "ne", "sa", "bn", "as", "pa", "or")
_STOPS = {
    **dict.fromkeys(_DANDA, "।"),
    **dict.fromkeys(("zh", "yue", "ja"), "。"),
    **dict.fromkeys(("ur", "sd"), "۔"),
    **dict.fromkeys(("th", "lo"), ""),
    "hy": "։",
    "am": "።",
    "km": "។",
    "my": "။",
}
_LATIN_ONLY = regex.compile(r"(?=.*\p{Latin})[\P{L}\p{Latin}]*", regex.DOTALL)
_DOTTED_CAPITAL = ("tr", "az")


def punctuated(segments: Sequence[Segment]) -> tuple[Segment, ...]:
    """Segments with clean marks and sentence casing.

    Words that are marks alone join the word before them; a segment of nothing else is left out.
    """
    cased = is_cased(word for segment in segments for word in segment.words)
    refined = []
    starts_sentence = True
    for segment in segments:
        words = []
        attached = _attached(segment.words)
        for word, following in zip_longest(attached, attached[1:]):
            text = _DOUBLED.sub(lambda marks: _strongest(marks.group()), word.text)
            if segment.language == "en":
                text = _first_person(text)
            words.append(replace(word, text=capitalised(text, segment.language) if starts_sentence else text))
            # Behind a segment a sentence begins: segments are cut where one ends, or where nobody knows.
            starts_sentence = ends_sentence(text, following if cased else None)
        if words:
            refined.append(_rebuilt(segment, words))
    return _with_final_stop(refined)


def unpunctuated(segments: Sequence[Segment]) -> tuple[Segment, ...]:
    """Segments without punctuation marks; casing stays as the recogniser wrote it."""
    refined = []
    for segment in segments:
        words = [replace(word, text=_OUTER_MARKS.sub("", _WIDE_MARKS.sub("", word.text))) for word in segment.words]
        refined.append(_rebuilt(segment, [word for word in words if word.text]))
    return tuple(segment for segment in refined if segment.words)


def ends_sentence(text: str, following: Word | None = None) -> bool:
    """Whether a word ends a sentence: by its mark, unless it is a common abbreviation.

    Args:
        text: the word with its marks.
        following: the word behind it, where the recogniser heard the two together and writes capitals.
    """
    bare = text.rstrip(_CLOSERS)
    if not bare.endswith(_SENTENCE_ENDS) or text.casefold() in _ABBREVIATIONS:
        return False
    return following is None or not bare.endswith(_FULL_STOPS) or not _begins_small(_heard(following))


def is_cased(words: Iterable[Word]) -> bool:
    """Whether the recogniser wrote a capital anywhere; where not, its small letters tell nothing."""
    return any(character.isupper() for word in words for character in _heard(word))


def _heard(word: Word) -> str:
    """As the recogniser wrote it: a term of the caller's has its own casing."""
    return word.original or word.text


def _begins_small(text: str) -> bool:
    first = next((character for character in text if character.isalnum()), "")
    # iPhone and eBay may begin a sentence.
    return first.islower() and text == text.lower()


def _attached(words: Sequence[Word]) -> list[Word]:
    attached: list[Word] = []
    for word in words:
        if word.text.strip(MARKS):
            attached.append(word)
        elif attached:
            before = attached[-1]
            attached[-1] = replace(before, text=before.text.rstrip(MARKS) + word.text, end_s=word.end_s)
    return attached


def _strongest(marks: str) -> str:
    if set(marks) == {"."}:
        # Three dots and not "…": scorers and search engines know the dots as punctuation, the one sign not always.
        return "..." if len(marks) > 2 else "."
    return next((mark for mark in _STRONGEST_FIRST if mark in marks), marks[0])


def _first_person(text: str) -> str:
    # Not i.e., nor i7.
    return "I" + text[1:] if regex.match(r"i(?:['’]|[^\p{L}\p{N}]*$)", text) else text


def capitalised(text: str, language: str) -> str:
    """The text with its first letter as a capital, unless it has casing of its own, or its script has no capitals."""
    at = next((index for index, character in enumerate(text) if character.isalnum()), None)
    # iPhone and eBay keep their own casing.
    if at is None or any(character.isupper() for character in text):
        return text
    if text[at] == "i" and language in _DOTTED_CAPITAL:
        return f"{text[:at]}İ{text[at + 1 :]}"
    # Title case and not upper case: Georgian has capitals only for words that are all in them. Some letters have no
    # capital of their own: ß would become Ss, and ı another letter's I.
    capital = text[at].title()
    return text[:at] + capital + text[at + 1 :] if capital.lower() == text[at] else text


def _with_final_stop(segments: Sequence[Segment]) -> tuple[Segment, ...]:
    if not segments:
        return ()
    *before, last = segments
    final = last.words[-1]
    stop = "." if _LATIN_ONLY.fullmatch(last.text) else _STOPS.get(last.language, ".")
    if ends_sentence(final.text) or final.text.endswith(_SENTENCE_ENDS) or not stop:
        return tuple(segments)
    stopped = replace(final, text=final.text.rstrip(MARKS) + stop)
    return (*before, _rebuilt(last, [*last.words[:-1], stopped]))


def _rebuilt(segment: Segment, words: Sequence[Word]) -> Segment:
    return replace(segment, words=tuple(words), text=joined_words(word.text for word in words))
