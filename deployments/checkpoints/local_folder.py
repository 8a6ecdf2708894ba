"""A checkpoint that is a folder of the user's own: nothing is copied."""

from __future__ import annotations

from deployments.checkpoints.source import CheckpointSource
from deployments.checkpoints.store import LocalCheckpoint, Planned, folder_bytes
from deployments.errors import EngineUnavailable


class LocalFolder:
    """Used where it lies."""

    def __init__(self, source: CheckpointSource) -> None:
        self.root = source.folder

    def find(self) -> LocalCheckpoint | None:
        """See CheckpointStore; what belongs into it is not known, so a folder with files counts as complete."""
        if not self.root.is_dir() or not any(self.root.iterdir()):
            return None
        return LocalCheckpoint(self.root, None, folder_bytes(self.root))

    def download(self, _planned: Planned) -> LocalCheckpoint:
        """See CheckpointStore; there is nowhere to fetch it from."""
        found = self.find()
        if found is None:
            raise EngineUnavailable(f"There is no checkpoint in the folder {self.root}")
        return found
