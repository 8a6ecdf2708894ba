"""Where callers put their key."""

from __future__ import annotations

from collections.abc import Mapping

_SCHEMES = frozenset({"token", "bearer"})


def credential_of(headers: Mapping[str, str]) -> str | None:
    """The key in ``Authorization: Token …`` or ``Bearer …``, whatever the case of the scheme; None without one."""
    scheme, _, key = headers.get("authorization", "").strip().partition(" ")
    return key.strip() or None if scheme.lower() in _SCHEMES else None
