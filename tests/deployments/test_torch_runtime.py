"""Placement of torch models, and batches that do not fit."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.errors import EngineUnavailable
from deployments.memory_shortages import SHORTAGES
from deployments.torch_runtime import Precision, TorchSettings, halving, placement_of

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.unit


def test_a_cpu_computes_in_float32_unless_told_otherwise() -> None:
    assert placement_of(TorchSettings(device="cpu")).dtype is torch.float32
    assert placement_of(TorchSettings(device="cpu", precision=Precision.BFLOAT16)).dtype is torch.bfloat16


@pytest.mark.parametrize("device", ["cuda:77", "nonsense"])
def test_a_device_that_is_not_there_is_named(device: str) -> None:
    with pytest.raises(EngineUnavailable, match=device):
        placement_of(TorchSettings(device=device))


@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=12), room=st.integers(9, 20))
def test_a_batch_too_large_is_halved_until_it_fits(sizes: list[int], room: int) -> None:
    ran: list[int] = []

    def run(batch: Sequence[int]) -> list[int]:
        if sum(batch) > room:
            raise torch.OutOfMemoryError("no room")
        ran.append(sum(batch))
        return [2 * size for size in batch]

    assert halving(run, sizes) == [2 * size for size in sizes]
    assert max(ran) <= room


def test_an_item_that_never_fits_is_an_error() -> None:
    def run(batch: Sequence[int]) -> list[int]:
        raise torch.OutOfMemoryError("no room")

    SHORTAGES.take()
    with pytest.raises(torch.OutOfMemoryError):
        halving(run, [1, 2, 3])
    assert SHORTAGES.take() == 2
