"""How large a client's message on a socket may be: in bytes, and in what it takes to read it. Pure."""

from __future__ import annotations

from deployments.errors import MessageTooLarge

# Each JSON value becomes a Python object, on the event loop: a megabyte of empty lists stops it for half a second, a
# megabyte of one string for one millisecond. A vocabulary of the largest size has 10 000 values, with commas in them.
_MOST_VALUES = 50_000


def check_size(message: str | bytes, max_bytes: int) -> None:
    """Refuse a message before it is read; ``max_bytes`` are those of a binary message, or of the UTF-8 of a text.

    Raises:
        MessageTooLarge: it is.
    """
    if _bytes_of(message) > max_bytes:
        raise MessageTooLarge(max_bytes)
    # In front of any value but the first there is one of these; in audio, which is base64, there is none.
    if isinstance(message, str) and sum(map(message.count, ",:[")) > _MOST_VALUES:
        raise MessageTooLarge(_MOST_VALUES, "values")


def _bytes_of(message: str | bytes) -> int:
    return len(message) if isinstance(message, bytes) or message.isascii() else len(message.encode())
