"""What a config says about where weights come from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

_S3_PREFIX = "s3://"
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
# What the hub itself takes: no "..", no "--", which its cache puts between the two.
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)


class Origin(StrEnum):
    """Which kind of place a location names."""

    HUB = "hub"
    FOLDER = "folder"
    BUCKET = "bucket"


@dataclass(frozen=True, slots=True)
class CheckpointSource:
    """Where the files of a model are.

    Attributes:
        location: "org/name" on a model hub; a folder, absolute or starting with ~ or a dot; or s3://bucket/prefix.
        revision: of a hub, a branch, a tag or a commit; of a bucket, the digest that `rayscribe models list` shows.
            None: what is on this machine, and where nothing is, the newest. A folder has none.

    Raises:
        ValueError: the location is none of the three, or the revision does not fit it.
    """

    location: str
    revision: str | None = None

    def __post_init__(self) -> None:
        if self.revision is not None and self.origin is Origin.FOLDER:
            raise ValueError(f"the folder {self.location} has no revisions")
        if self.revision is not None and not is_plain_path(self.revision):
            raise ValueError(f"{self.revision!r} is not the name of a revision")
        match self.origin:
            case Origin.BUCKET:
                if not _BUCKET.fullmatch(self.bucket) or (self.prefix and not is_plain_path(self.prefix)):
                    raise ValueError(f"{self.location!r} is not of the form s3://bucket/prefix")
            case Origin.HUB:
                if not _HUB_ID.fullmatch(self.location) or ".." in self.location or "--" in self.location:
                    raise ValueError(
                        f"{self.location!r} is neither a hub's org/name, nor s3://bucket/prefix, nor a folder "
                        "(which starts with /, ~ or a dot)"
                    )

    @property
    def origin(self) -> Origin:
        """Told by the first characters alone: whether a folder exists changes nothing."""
        if self.location.startswith(_S3_PREFIX):
            return Origin.BUCKET
        return Origin.FOLDER if self.location.startswith(("/", "~", ".")) else Origin.HUB

    @property
    def folder(self) -> Path:
        """Of a location that is a folder."""
        return Path(self.location).expanduser().absolute()

    @property
    def bucket(self) -> str:
        """Of a location in a bucket."""
        return self.location.removeprefix(_S3_PREFIX).partition("/")[0]

    @property
    def prefix(self) -> str:
        """Of a location in a bucket, without slashes around it; empty for all of the bucket."""
        return self.location.removeprefix(_S3_PREFIX).partition("/")[2].strip("/")

    def __str__(self) -> str:
        return self.location if self.revision is None else f"{self.location} ({self.revision})"


def is_plain_path(text: str) -> bool:
    """Whether file systems and proxies take it as it stands, below what it is joined to."""
    return text.isprintable() and "\\" not in text and {"", ".", ".."}.isdisjoint(text.split("/"))
