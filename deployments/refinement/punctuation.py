"""Deterministic clean-up of punctuation and casing, word by word, so that times and speakers stay where they are.

The recogniser punctuates by itself; what it cannot know is where its windows were cut. Here the text of a request
becomes one: no stray or doubled marks, a capital after every end of sentence, and an end for the last one, in the marks
of the language. Scripts without capitals keep their letters, and Thai and Lao, which end sentences by a space, get no
mark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

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
_ABBREVIATIONS = frozenset({"mr.", "mrs.", "ms.", "dr.", "st.", "prof.", "vs.", "e.g.", "i.e.", "etc."})

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
    refined = []
    starts_sentence = True
    for segment in segments:
        words = []
        for word in _attached(segment.words):
            text = _DOUBLED.sub(lambda marks: _strongest(marks.group()), word.text)
            if segment.language == "en":
                text = _first_person(text)
            words.append(replace(word, text=capitalised(text, segment.language) if starts_sentence else text))
            starts_sentence = ends_sentence(text)
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


def ends_sentence(text: str) -> bool:
    """Whether a word ends a sentence: by its mark, unless it is a common abbreviation."""
    return text.rstrip(_CLOSERS).endswith(tuple(SENTENCE_ENDS)) and text.casefold() not in _ABBREVIATIONS


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
    return "I" + text[1:] if regex.match(r"i(?:$|['’.,!?;:])", text) else text


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
    if ends_sentence(final.text) or final.text.endswith(tuple(SENTENCE_ENDS)) or not stop:
        return tuple(segments)
    stopped = replace(final, text=final.text.rstrip(MARKS) + stop)
    return (*before, _rebuilt(last, [*last.words[:-1], stopped]))


def _rebuilt(segment: Segment, words: Sequence[Word]) -> Segment:
    return replace(segment, words=tuple(words), text=joined_words(word.text for word in words))
