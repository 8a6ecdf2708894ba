"""Names of languages for the answers that carry them, from the Unicode CLDR."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Annotated

from babel import Locale, UnknownLocaleError
from babel.core import get_global
from pydantic import AfterValidator

_ENGLISH = Locale("en")
# A language and a region (RFC 5646), in any case; some write an underscore.
_WITH_REGION = re.compile(r"([a-z]{2,3})(?:[-_](?:[a-z]{2}|\d{3}))?", re.IGNORECASE)


def plain_code(text: str) -> str:
    """The code of a language as engines have it: "en" for "EN" and "en-US"; anything else as it is."""
    found = _WITH_REGION.fullmatch(text)
    return found[1].lower() if found else text


SpokenLanguage = Annotated[str, AfterValidator(plain_code)]
"""A field that names a language."""


@cache
def language_name(code: str) -> str:
    """The English name of an ISO 639 language, "Hindi" for "hi"; a code that is not known is its own name."""
    return str(_ENGLISH.languages.get(_current(code)) or _ENGLISH.languages.get(code, code))


@cache
def native_name(code: str) -> str:
    """What its speakers call a language, "हिन्दी" for "hi"; the English name where that is not known."""
    try:
        return Locale(_current(code)).get_language_name() or language_name(code)
    except UnknownLocaleError:
        return language_name(code)


def _current(code: str) -> str:
    """Withdrawn codes, which some models still answer with, by their successors: "iw" is "he"."""
    aliases: Mapping[str, str] = get_global("language_aliases")
    return aliases.get(code, code)
