"""A checkpoint on a model hub, by huggingface_hub, which keeps its own cache layout in our folder.

huggingface_hub reads HF_TOKEN (or the token of `hf auth login`) and HF_ENDPOINT by itself.
"""

from __future__ import annotations

import glob
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deployments.checkpoints.cache import CheckpointCache
from deployments.checkpoints.selection import wanted_files
from deployments.checkpoints.source import CheckpointSource
from deployments.checkpoints.store import LocalCheckpoint, Planned, missing_files
from deployments.errors import EngineUnavailable

if TYPE_CHECKING:
    from huggingface_hub import RepoFile

_CONNECTIONS = 4


class HubRepository:
    """One repository of models at one revision.

    Raises:
        EngineUnavailable: huggingface_hub is not installed.
    """

    def __init__(self, source: CheckpointSource, cache: CheckpointCache) -> None:
        try:
            import huggingface_hub
        except ImportError as error:
            raise EngineUnavailable("Models of a hub need huggingface_hub: install rayscribe[torch]") from error
        self._hub: Any = huggingface_hub
        self._source = source
        self._cache = cache
        self._folder = cache.folder / "hub"
        self.root = self._folder / f"models--{source.location.replace('/', '--')}"

    def find(self) -> LocalCheckpoint | None:
        """See CheckpointStore."""
        from huggingface_hub.errors import CachedRepoTreeNotFoundError, LocalEntryNotFoundError

        try:
            tree = self._hub.get_cached_repo_tree(
                self._source.location, revision=self._source.revision, cache_dir=self._folder
            )
            sizes = _wanted(tree)
            folder = Path(self._snapshot(sizes, local_files_only=True))
        except (CachedRepoTreeNotFoundError, LocalEntryNotFoundError):
            return None
        # The hub's library looks at names alone: a disk that was full, or a copy that broke off, shows in sizes.
        if missing_files(folder, sizes):
            return None
        return LocalCheckpoint(folder, folder.name, sum(sizes.values()))

    def download(self, planned: Planned) -> LocalCheckpoint:
        """See CheckpointStore."""
        # The base class of its HTTP client's errors, whichever that is in its version.
        from huggingface_hub.errors import HTTPError

        api = self._hub.HfApi(endpoint=self._cache.hub_endpoint)
        try:
            # First, because the library tries other calls again for half a minute where there is no connection.
            commit = api.repo_info(self._source.location, revision=self._source.revision).sha
            sizes = _wanted(api.list_repo_tree(self._source.location, recursive=True, revision=commit))
            if not sizes:
                raise EngineUnavailable(f"The hub's repository {self._source} holds nothing that could be loaded")
            missing_bytes = sum(_without_broken(self.root / "snapshots" / commit, sizes).values())
            self._cache.check_room(str(self._source), sum(sizes.values()), missing_bytes)
            planned(missing_bytes)
            self._snapshot(sizes, local_files_only=False)
        # What the library raises for an answer of the hub is both; OSError is a full disk, too.
        except (HTTPError, OSError) as error:
            raise EngineUnavailable(self._explained(error)) from error
        found = self.find()
        if found is None:
            raise EngineUnavailable(f"What the hub sent of {self._source} has other sizes than it had announced")
        return found

    def _snapshot(self, sizes: dict[str, int], *, local_files_only: bool) -> str:
        folder: str = self._hub.snapshot_download(
            self._source.location,
            revision=self._source.revision,
            cache_dir=self._folder,
            endpoint=self._cache.hub_endpoint,
            local_files_only=local_files_only,
            # Names, not patterns: brackets stand for themselves.
            allow_patterns=[glob.escape(path) for path in sizes],
            max_workers=_CONNECTIONS,
            tqdm_class=_silent_bar(),
        )
        return folder

    def _explained(self, error: Exception) -> str:
        from huggingface_hub import errors

        what = f"The hub's repository {self._source}"
        match error:
            case errors.GatedRepoError():
                return f"{what} asks for consent to its terms: give it on the hub's page, and set HF_TOKEN"
            case errors.RepositoryNotFoundError():
                return f"{what} does not exist, or is private: then set HF_TOKEN"
            case errors.RevisionNotFoundError():
                return f"{what} has no such revision"
            case errors.HfHubHTTPError():
                return f"{what} cannot be fetched: the hub answered {error.response.status_code}"
            case errors.OfflineModeIsEnabled():
                return f"{what} cannot be fetched while HF_HUB_OFFLINE is set"
        return f"{what} cannot be fetched: {type(error).__name__}: {error}"


def _without_broken(snapshot: Path, sizes: dict[str, int]) -> dict[str, int]:
    """What has to be fetched; a file of a wrong size is deleted, or the library would take it for the right one."""
    missing = missing_files(snapshot, sizes)
    for path in missing:
        link = snapshot / path
        link.resolve().unlink(missing_ok=True)
        link.unlink(missing_ok=True)
    return missing


def _wanted(tree: Iterable[RepoFile]) -> dict[str, int]:
    """Folders have no size."""
    return wanted_files({entry.path: entry.size for entry in tree if getattr(entry, "size", None) is not None})


def _silent_bar() -> type[Any]:
    from huggingface_hub.utils import tqdm

    # What torch engines are read with ships types that are not read here (see pyproject.toml).
    class SilentBar(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "disable": True})

    return SilentBar
