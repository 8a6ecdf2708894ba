"""One way to write each character: canonical composition, and no marks that only steer a display.

Bidirectional controls (Unicode Standard Annex #9, section 2) tell a screen how to mix directions of writing. Where
words are cut out, joined and compared they are left over without their partner, and make equal words differ: whoever
shows a transcript isolates it as a whole. Joiners stay: in Persian and in the scripts of India they are spelling.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import replace

from deployments.contracts import Segment
from deployments.text_joining import joined_words

# Marks, embeddings, overrides and isolates; the byte order mark, the zero width space and the soft hyphen.
_INVISIBLE = dict.fromkeys(
    map(ord, "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff\u200b\u00ad")
)


def canonical(segments: Sequence[Segment]) -> tuple[Segment, ...]:
    """Segments in Unicode's normalisation form C without invisible controls; a word of nothing else is left out."""
    return tuple(_cleaned(segment) for segment in segments)


def _cleaned(segment: Segment) -> Segment:
    if segment.text.isascii() and all(word.text.isascii() for word in segment.words):
        return segment
    words = [replace(word, text=_canonical_text(word.text)) for word in segment.words]
    words = [word for word in words if word.text]
    return replace(segment, words=tuple(words), text=joined_words(word.text for word in words))


def _canonical_text(text: str) -> str:
    return unicodedata.normalize("NFC", text.translate(_INVISIBLE))
