"""Finds segments in which another language is likely mixed in, by the script of their words. Pure.

A segment has one language. What is said in another one inside it is recognised as well as may be, and callers are told
which segments that concerns. Without a model, what can be told for certain is a word in a script that the segment's
language is not written in; two languages of one script go unnoticed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import regex
from babel.core import get_global

from deployments.contracts import Segment, TranscriptionWarning, WarningCode

_ADDRESS = regex.compile(r"[@/]|\w\.\w")
# CLDR's codes for a mixture of scripts, and those that Unicode gives to characters.
_MIXTURES: Mapping[str, tuple[str, ...]] = {
    "Hans": ("Hani", "Bopo"),
    "Hant": ("Hani", "Bopo"),
    "Jpan": ("Hani", "Hira", "Kana"),
    "Kore": ("Hang", "Hani"),
}
# CLDR names the likeliest script only. Latin beside another one is listed where people write so, not where it is
# what a change to English looks like.
_SECOND_SCRIPTS: Mapping[str, tuple[str, ...]] = {
    "az": ("Cyrl",),
    "bs": ("Cyrl",),
    "kk": ("Latn", "Arab"),
    "mn": ("Mong",),
    "ms": ("Arab",),
    "pa": ("Arab",),
    "sd": ("Deva",),
    "sr": ("Latn",),
    "tk": ("Cyrl",),
    "uz": ("Cyrl",),
}


def code_switch_warning(segments: Sequence[Segment]) -> TranscriptionWarning | None:
    """One warning that numbers the segments with words in a foreign script; None where there are none."""
    switched = tuple(at for at, segment in enumerate(segments) if has_foreign_words(segment))
    if not switched:
        return None
    message = (
        "Some words are in another script than the language of their segment is written in: two languages may be mixed "
        "there, and only one of them recognised well"
    )
    return TranscriptionWarning(WarningCode.INLINE_CODE_SWITCH_PARTIAL, message, switched)


def has_foreign_words(segment: Segment) -> bool:
    """Whether a word is in a script that the segment's language is not written in.

    Single letters, acronyms (GPU), addresses (example.com) and the caller's own terms stand in texts of any language
    and do not count. A language of unknown script has no foreign words.
    """
    foreign = _foreign_letter(segment.language)
    if foreign is None:
        return False
    words = (word.text for word in segment.words if not word.boosted and not _ADDRESS.search(word.text))
    found = ("".join(foreign.findall(text)) for text in words)
    return any(len(letters) > 1 and not letters.isupper() for letters in found)


@cache
def _foreign_letter(language: str) -> regex.Pattern[str] | None:
    """Finds a letter or mark that the language is not written with."""
    scripts = _scripts(language)
    if not scripts:
        return None
    own = "".join(rf"\p{{sc={script}}}" for script in (*scripts, "Zyyy", "Zinh"))
    return regex.compile(rf"(?V1)[\p{{L}}\p{{M}}--[{own}]]")


def _scripts(language: str) -> tuple[str, ...]:
    """ISO 15924 codes, as Unicode's characters have them; empty where the CLDR knows none."""
    aliases: Mapping[str, str] = get_global("language_aliases")
    likely: Mapping[str, str] = get_global("likely_subtags")
    current = aliases.get(language, language)
    full = likely.get(current)
    if full is None:
        return ()
    script = full.split("_")[1]
    return (*_MIXTURES.get(script, (script,)), *_SECOND_SCRIPTS.get(current, ()))
