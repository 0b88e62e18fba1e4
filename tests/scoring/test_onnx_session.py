"""Products of bytes are exact on every processor, so that a bundle says the same wherever it serves."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from sievert.scoring.onnx_session import session_of

DEEP, WIDE = 64, 32


def product_of_bytes(weights):
    """A product of bytes as trained models hold it: both sides rounded, the input with the scale 1."""
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "one", "zero"], ["bytes"]),
        helper.make_node("DequantizeLinear", ["bytes", "one", "zero"], ["rounded"]),
        helper.make_node("DequantizeLinear", ["weights", "one", "middle"], ["weighed"]),
        helper.make_node("MatMul", ["rounded", "weighed"], ["y"]),
    ]
    kept = {
        "one": np.float32(1),
        "zero": np.uint8(0),
        "middle": np.int8(0),
        "weights": weights,
    }
    graph = helper.make_graph(
        nodes,
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, DEEP])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, WIDE])],
        [numpy_helper.from_array(np.array(one), name) for name, one in kept.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()


@pytest.mark.parametrize("rows", [1, 2, 33])
def test_sums_of_large_products_are_exact(rows):
    """Processors with AVX2 and without VNNI add pairs of products in 16 bits, unless told not to."""
    rng = np.random.default_rng(rows)
    weights = np.where(rng.random((DEEP, WIDE)) < 0.8, 127, -127).astype(np.int8)
    x = rng.integers(200, 256, (rows, DEEP)).astype(np.float32)
    (y,) = session_of(product_of_bytes(weights)).run(["y"], {"x": x})
    np.testing.assert_array_equal(y, x @ weights.astype(np.float32))
