"""How large a client's message on a socket may be: in bytes, and in what it takes to read it. Pure."""

from __future__ import annotations

from deployments.errors import MessageTooLarge
from serve_app.json_values import MOST_VALUES, has_too_many_values


def check_size(message: str | bytes, max_bytes: int) -> None:
    """Refuse a message before it is read; ``max_bytes`` are those of a binary message, or of the UTF-8 of a text.

    Raises:
        MessageTooLarge: it is.
    """
    if _bytes_of(message) > max_bytes:
        raise MessageTooLarge(max_bytes)
    if isinstance(message, str) and has_too_many_values(message):
        raise MessageTooLarge(MOST_VALUES, "values")


def _bytes_of(message: str | bytes) -> int:
    return len(message) if isinstance(message, bytes) or message.isascii() else len(message.encode())
