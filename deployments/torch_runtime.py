"""Where and how a torch model runs. Nothing here imports torch before an engine that needs it is loaded."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from deployments.errors import EngineUnavailable
from deployments.memory_shortages import SHORTAGES

if TYPE_CHECKING:
    import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


class Precision(StrEnum):
    """Of a model's weights and arithmetic."""

    AUTO = "auto"
    """bfloat16 on a GPU that has it, else float16 there; float32 on a CPU."""
    FLOAT32 = "float32"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"


@dataclass(frozen=True, slots=True)
class TorchSettings:
    """How a torch engine runs.

    Attributes:
        device: "cpu", "cuda", "cuda:1" …; "auto": the first GPU that this process sees, else the CPU.
        precision: see there.
        threads: of one call on a CPU.
        compile: let torch.compile build kernels while the engine warms up; that takes minutes and pays on a GPU.
    """

    device: str = "auto"
    precision: Precision = Precision.AUTO
    threads: int = 1
    compile: bool = False


@dataclass(frozen=True, slots=True)
class Placement:
    """A device and an arithmetic that it has."""

    device: torch.device
    dtype: torch.dtype


def placement_of(settings: TorchSettings) -> Placement:
    """Where a model goes on this machine; sets this process's number of CPU threads.

    Raises:
        EngineUnavailable: torch is not installed, or has no such device.
    """
    try:
        import torch
    except ImportError as error:
        raise EngineUnavailable("This engine needs torch: install rayscribe[torch]") from error
    torch.set_num_threads(settings.threads)
    try:
        device = torch.device(_device_name(settings.device, has_gpu=torch.cuda.is_available()))
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise EngineUnavailable(f"There is no device {settings.device!r} here: {error}") from error
    return Placement(device, _dtype(settings.precision, device))


def halving(run: Callable[[Sequence[Item]], list[Result]], items: Sequence[Item]) -> list[Result]:
    """Run a batch; where the device's memory does not hold it, each half of it by itself.

    Raises:
        torch.OutOfMemoryError: a single item does not fit.
    """
    import torch

    try:
        return run(items)
    except torch.OutOfMemoryError:
        SHORTAGES.add()
        if len(items) == 1:
            raise
    # Outside the handler: the traceback, and with it the tensors of the failed batch, is gone.
    if torch.cuda.is_available():
        gc.collect()
        torch.cuda.empty_cache()
    middle = len(items) // 2
    return [*halving(run, items[:middle]), *halving(run, items[middle:])]


def _device_name(name: str, *, has_gpu: bool) -> str:
    if name != "auto":
        return name
    return "cuda" if has_gpu else "cpu"


def _dtype(precision: Precision, device: torch.device) -> torch.dtype:
    import torch

    if precision is not Precision.AUTO:
        chosen = {
            Precision.FLOAT32: torch.float32,
            Precision.FLOAT16: torch.float16,
            Precision.BFLOAT16: torch.bfloat16,
        }
        return chosen[precision]
    if device.type == "cpu":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
