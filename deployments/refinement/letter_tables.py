"""Tables of letters and words of two scripts, written as ``one=other`` between spaces."""

from __future__ import annotations

import unicodedata


def letter_table(text: str) -> dict[str, str]:
    """Other by one, both in Unicode's normalisation form C, in which an editor need not have saved them."""
    return dict(pair.split("=") for pair in unicodedata.normalize("NFC", text).split())
