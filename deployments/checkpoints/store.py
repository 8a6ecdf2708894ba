"""What each kind of place promises, and how a local copy is judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

Planned = Callable[[int], None]
"""Told how many bytes there are to be fetched, before the first one is."""


@dataclass(frozen=True, slots=True)
class LocalCheckpoint:
    """A complete copy on this node; ``revision`` pins exactly it, None for a folder of the user's own."""

    folder: Path
    revision: str | None
    size_bytes: int


class CheckpointStore(Protocol):
    """One checkpoint in its place, and its copy on this node.

    Attributes:
        root: the folder below which everything of it is kept.
    """

    root: Path

    def find(self) -> LocalCheckpoint | None:
        """The copy, without a look at the network; None where anything of it is missing."""
        ...

    def download(self, planned: Planned) -> LocalCheckpoint:
        """Fetch what is missing or newer. The caller sees to it that only one process does.

        Raises:
            EngineUnavailable: it cannot be had; the message says why.
        """
        ...


def missing_files(folder: Path, sizes_bytes: Mapping[str, int]) -> dict[str, int]:
    """Those that are not in a folder, or are there with another size."""
    return {path: size for path, size in sizes_bytes.items() if _size_bytes(folder / path) != size}


def folder_bytes(folder: Path) -> int:
    """What the files below a folder have; links count nothing, and so does what vanishes meanwhile."""
    return sum(_size_bytes(path) for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _size_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1
