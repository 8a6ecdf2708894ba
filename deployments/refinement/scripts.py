"""Words brought to the script that their segment's language is written in: Devanagari or Latin.

A recogniser may write Hindi in Latin or Urdu letters, and a label may come with the other script's words. What is
corrected, 60db's ``script_correction``:

* In a language of Devanagari, every word in Urdu script; and words in Latin where most words of the segment are: then
  it is Hindi as people type it. Fewer are English words in a Hindi sentence, and stay.
* In a language of Latin letters, every word in Devanagari.

Words that were boosted stay as their term is written, and so do abbreviations in capitals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum, auto

import regex

from deployments.contracts import Segment, Word
from deployments.refinement import romanized_hindi, urdu_script
from deployments.refinement.merging import Merge, merged
from deployments.refinement.rewording import without_marks

_DEVANAGARI_LANGUAGES = frozenset({"hi", "mr", "ne", "sa", "mai", "bho", "doi", "kok"})
_LATIN_LANGUAGES = frozenset(
    {"en", "de", "fr", "es", "pt", "it", "nl", "sv", "da", "no", "fi", "is", "pl", "cs", "sk", "sl", "hr", "bs", "hu"}
    | {"ro", "et", "lv", "lt", "mt", "ga", "cy", "sq", "tr", "az", "id", "ms", "tl", "vi", "sw", "af", "ca", "eu", "gl"}
)


class _Script(Enum):
    LATIN = auto()
    DEVANAGARI = auto()
    URDU = auto()


_LETTERS = {
    _Script.LATIN: regex.compile(r"[\p{Latin}&&\p{L}]", regex.V1),
    _Script.DEVANAGARI: regex.compile(r"[\p{Devanagari}&&\p{L}]", regex.V1),
    _Script.URDU: regex.compile(r"[\p{Arabic}&&\p{L}]", regex.V1),
}


def in_script_of_language(segments: Sequence[Segment]) -> tuple[Segment, ...]:
    """Segments with words in the script of their language; each that changes has what was heard as its ``original``."""
    return tuple(_corrected(segment) for segment in segments)


def _corrected(segment: Segment) -> Segment:
    cores = [without_marks(word.text) for word in segment.words]
    scripts = [_script_of(core) for core in cores]
    spellings = _spellings(segment.language, scripts)
    target = _Script.LATIN if segment.language in _LATIN_LANGUAGES else _Script.DEVANAGARI
    changes = []
    for index, (word, core, script) in enumerate(zip(segment.words, cores, scripts, strict=True)):
        spell = None if script is None or _is_kept(word, core) else spellings.get(script)
        text = core if spell is None else spell(core)
        # A word whose letters have no counterparts stays as it was heard.
        if text != core and _script_of(text) is target:
            changes.append(Merge(index, index + 1, text))
    return merged(segment, changes)


def _spellings(language: str, scripts: Sequence[_Script | None]) -> dict[_Script, Callable[[str], str]]:
    """How words of a script are to be written."""
    if language in _LATIN_LANGUAGES:
        return {_Script.DEVANAGARI: romanized_hindi.to_latin}
    if language not in _DEVANAGARI_LANGUAGES:
        return {}
    spellings: dict[_Script, Callable[[str], str]] = {_Script.URDU: urdu_script.to_devanagari}
    if 2 * scripts.count(_Script.LATIN) > sum(script is not None for script in scripts):
        spellings[_Script.LATIN] = romanized_hindi.to_devanagari
    return spellings


def _script_of(core: str) -> _Script | None:
    """The only script of a word's letters."""
    found = [script for script, letters in _LETTERS.items() if letters.search(core)]
    return found[0] if len(found) == 1 else None


def _is_kept(word: Word, core: str) -> bool:
    return word.boosted or (len(core) > 1 and core.isupper())
