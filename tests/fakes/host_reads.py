"""Counts what a GPU would be waited for: values that the host reads, whatever the device is here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from torch.utils._python_dispatch import TorchDispatchMode

# numpy() and tolist() ask for the last one first.
_READS = frozenset({"_local_scalar_dense", "item", "is_nonzero", "nonzero", "masked_select", "equal", "resolve_conj"})


class HostReads(TorchDispatchMode):  # type: ignore[misc]  # mypy does not read torch
    """While entered, in this thread."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.count += func._schema.name.partition("::")[2] in _READS
        run: Callable[..., Any] = func
        return run(*args, **(kwargs or {}))

    def __enter__(self) -> Self:
        super().__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, traceback)
