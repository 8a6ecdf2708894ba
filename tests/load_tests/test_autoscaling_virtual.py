from __future__ import annotations

import pytest

from load_tests.autoscaling_virtual import virtual_table

pytestmark = pytest.mark.unit


def test_the_configs_keep_their_bounds_and_follow_a_sawtooth_with_one_turn_each_way() -> None:
    table = virtual_table()
    names = [column.name for column in table.columns]
    assert len(table.rows) == 7
    for cells in table.rows:
        row = dict(zip(names, cells, strict=True))
        assert 0 < float(row["asks after s"] or 0) <= float(row["at most"] or 0)
        assert float(row["enough run after s"] or 0) > 0
        assert row["back after s"] is not None
        # Six teeth.
        assert int(row["turns"] or 0) <= 2 * 6
