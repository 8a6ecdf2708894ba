from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from deployments.onnx_runtime import as_plain_onnx, open_session

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def doubling() -> bytes:
    """y = x + x."""
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "doubling", value[:1], value[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_of_a_session_do_not_spin_between_calls(doubling: bytes, threads: int) -> None:
    session = open_session(doubling, threads)
    options = session.get_session_options()
    assert options.intra_op_num_threads == threads
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
    np.testing.assert_array_equal(session.run(None, {"x": np.ones(2, np.float32)})[0], [2.0, 2.0])


def test_a_model_is_bytes_or_a_file_and_its_graph_can_be_read(doubling: bytes, tmp_path: Path) -> None:
    path = tmp_path / "doubling.onnx"
    path.write_bytes(doubling)
    for model in (doubling, path):
        graph = onnx.load_model_from_string(as_plain_onnx(model)).graph
        assert [node.op_type for node in graph.node] == ["Add"]
