"""A device that counts what it is asked to do and has little memory, over the real one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import torch
from torch.overrides import TorchFunctionMode


class WatchedDevice(TorchFunctionMode):  # type: ignore[misc]  # mypy does not read torch
    """While entered, in this thread: notes how many rows convolutions get, and how many rows and columns of tokens are
    embedded.

    Args:
        most_rows: of one convolution; more do not fit into the memory.
    """

    def __init__(self, most_rows: int = 1_000_000) -> None:
        super().__init__()
        self._most_rows = most_rows
        self.convolved_rows: list[int] = []
        self.embedded: list[tuple[int, int]] = []

    @property
    def read_rows(self) -> list[int]:
        """Of each batch of texts that was read at once; texts that are written are read token by token."""
        return [rows for rows, length in self.embedded if length > 1]

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func is torch.conv1d:
            rows = args[0].shape[0]
            if rows > self._most_rows:
                raise torch.OutOfMemoryError(f"no memory for {rows} rows")
            self.convolved_rows.append(rows)
        elif func is torch.nn.functional.embedding and args[0].ndim == 2:
            self.embedded.append(tuple(args[0].shape))
        return func(*args, **(kwargs or {}))

    def __enter__(self) -> Self:
        super().__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, traceback)
