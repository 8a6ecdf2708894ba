"""What a bucket holds below a prefix: the list that a copy is compared with."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

DIGEST_CHARACTERS = 40


@dataclass(frozen=True, slots=True, order=True)
class ManifestEntry:
    """One object: ``path`` is below the prefix, ``etag`` changes with its content."""

    path: str
    size_bytes: int
    etag: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """Sorted by path."""

    entries: tuple[ManifestEntry, ...]

    @property
    def sizes_bytes(self) -> dict[str, int]:
        """By path."""
        return {entry.path: entry.size_bytes for entry in self.entries}

    @property
    def total_bytes(self) -> int:
        """All files together."""
        return sum(entry.size_bytes for entry in self.entries)

    @property
    def digest(self) -> str:
        """Names this content: the beginning of a SHA-256 over paths, sizes and ETags."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:DIGEST_CHARACTERS]

    def to_json(self) -> str:
        """The same for the same content."""
        return json.dumps([asdict(entry) for entry in self.entries], indent=1)


def read_manifest(path: Path) -> Manifest | None:
    """None where there is none, or a broken one."""
    try:
        return Manifest(tuple(ManifestEntry(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))))
    except (OSError, ValueError, TypeError):
        return None
