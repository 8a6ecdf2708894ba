"""Recordings that word errors are not counted on, by name, with the reason. One table; nothing else is left out."""

from __future__ import annotations

from collections.abc import Sequence

from load_tests.recordings import Recording

_DIGITS = "a digit string: the normaliser joins digits into one number, so that one slip makes the whole string wrong"
_JOINED_DIGITS = f"{_DIGITS}; moreover ten isolated recordings joined by the maker of the set"
_NO_HEADER = "no header: nothing in the file says what it is"

EXCLUDED_FROM_WER: dict[str, str] = {
    "telephone/digits-jackson.wav": _JOINED_DIGITS,
    "telephone/digits-nicolas.wav": _JOINED_DIGITS,
    "telephone/digits-theo.wav": _JOINED_DIGITS,
    "read/cards-004.wav": _DIGITS,
    "format/brooklyn.raw": _NO_HEADER,
    "format/goforward.raw": _NO_HEADER,
    "format/m-g722.g722": _NO_HEADER,
}


def scored_for_words(recordings: Sequence[Recording]) -> tuple[Recording, ...]:
    """English recordings whose words are known, without the excluded ones."""
    return tuple(
        recording
        for recording in recordings
        if recording.language == "en" and recording.text and recording.name not in EXCLUDED_FROM_WER
    )


def read_speech(recordings: Sequence[Recording]) -> tuple[Recording, ...]:
    """Those in which somebody reads, and whose words are scored."""
    return tuple(recording for recording in scored_for_words(recordings) if recording.kind == "read")


def exclusions_among(recordings: Sequence[Recording]) -> tuple[tuple[str, str], ...]:
    """Name and reason of each recording that is left out here."""
    names = {recording.name for recording in recordings}
    return tuple((name, reason) for name, reason in EXCLUDED_FROM_WER.items() if name in names)
