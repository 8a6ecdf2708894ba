"""What JSON takes to be read, told before it is. Pure."""

from __future__ import annotations

MOST_VALUES = 50_000
"""Each value becomes a Python object, on the event loop: a megabyte of empty lists stops it for half a second, one of a
single string for a millisecond. A vocabulary of the largest size has 10 000 values, with commas in them."""


def has_too_many_values(text: str) -> bool:
    """Whether there may be more than MOST_VALUES in it."""
    # In front of any value but the first there is one of these; in audio, which is base64, there is none.
    return sum(map(text.count, ",:[")) > MOST_VALUES
