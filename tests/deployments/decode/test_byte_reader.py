from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.decode.byte_reader import ByteReader
from deployments.errors import Cancelled

pytestmark = pytest.mark.unit


@given(
    st.binary(min_size=1, max_size=64),
    st.lists(st.tuples(st.sampled_from(["read", "set", "end"]), st.integers(0, 70)), max_size=20),
)
def test_it_reads_as_a_file_does(data: bytes, steps: list[tuple[str, int]]) -> None:
    reader, file = ByteReader(memoryview(data), lambda: None), io.BytesIO(data)
    for step, count in steps:
        if step == "read":
            assert reader.read(count) == file.read(count)
        else:
            offset = min(count, len(data))
            where = (offset, io.SEEK_SET) if step == "set" else (-offset, io.SEEK_END)
            assert reader.seek(*where) == file.seek(*where)
        assert reader.tell() == file.tell()


def test_a_seek_out_of_the_file_stays_in_it() -> None:
    reader = ByteReader(memoryview(b"abc"), lambda: None)

    assert reader.seek(10) == 3
    assert reader.seek(-10, io.SEEK_CUR) == 0


def test_after_the_checkpoint_raised_once_the_file_is_at_its_end() -> None:
    def cancel() -> None:
        raise Cancelled("gone")

    reader = ByteReader(memoryview(b"abc"), cancel)

    with pytest.raises(Cancelled):
        reader.read(1)
    assert reader.read(1) == b""
