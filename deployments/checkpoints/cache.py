"""Where fetched weights are kept."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from deployments.errors import EngineUnavailable

# A disk that is full to the last byte takes other things down with it.
_SPARE_BYTES = 512 * 1024**2
_GB = 1e9


@dataclass(frozen=True, slots=True)
class CheckpointCache:
    """A folder on this node that all processes share, and how it is filled.

    Attributes:
        folder: made when something is fetched.
        offline: nothing is fetched; what is not there is missing.
        s3_endpoint_url: of an S3-compatible server; None: boto3's.
        s3_region: None: boto3's.
        hub_endpoint: of a mirror of the hub; None: huggingface_hub's.
        max_bytes: a larger checkpoint is refused; it is likely a prefix with too much below it.
    """

    folder: Path
    offline: bool = False
    s3_endpoint_url: str | None = None
    s3_region: str | None = None
    hub_endpoint: str | None = None
    max_bytes: int = 200 * 10**9

    def check_room(self, what: str, total_bytes: int, missing_bytes: int) -> None:
        """Refuse before the first byte what would not fit.

        Raises:
            EngineUnavailable: it is larger than allowed, or than what is free.
        """
        if total_bytes > self.max_bytes:
            raise EngineUnavailable(
                f"{what} has {total_bytes / _GB:.1f} GB; the setting models.max_bytes allows {self.max_bytes / _GB:.1f}"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        free_bytes = shutil.disk_usage(self.folder).free
        if missing_bytes + _SPARE_BYTES > free_bytes:
            raise EngineUnavailable(
                f"{what} needs {missing_bytes / _GB:.1f} GB in {self.folder}, which has {free_bytes / _GB:.1f} GB left"
            )
