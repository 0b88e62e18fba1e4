"""A trained encoder becomes an ONNX file: 32-bit floats, or bytes with static scales (QDQ).

The graph comes from torch's exporter. For a rounded model each multiplication by weights is then
rewritten: input rounded to a byte with a fixed scale, weights as bytes.
ONNX Runtime multiplies the bytes as integers.
"""

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import helper, numpy_helper

from sievert.training.encoder import HeavyText
from sievert.training.onnx_graph import finished, graph_of
from sievert.training.rounded import RoundedLinear


def export(model: HeavyText, *, longest: int) -> bytes:
    """Return an ONNX model: inputs ids and mask [B, T] int64; outputs logits, parts, encoding of `HeavyText`."""
    rounded = [module for module in model.modules() if isinstance(module, RoundedLinear)]
    for layer in rounded:
        layer.rounding = False
    model.eval()
    ids, mask = torch.ones((2, 7), dtype=torch.long), torch.ones((2, 7), dtype=torch.long)
    mask[1, 4:] = 0  # an example without padding would export a model that knows none
    for layer in rounded:
        layer.train()  # an observing layer must not observe the exporter's example
    posts, tokens = torch.export.Dim("posts", min=1, max=4096), torch.export.Dim("tokens", min=2, max=longest)
    graph = graph_of(
        model,
        (ids, mask),
        dynamic=({0: posts, 1: tokens}, {0: posts, 1: tokens}),
        inputs=("ids", "mask"),
        outputs=("logits", "parts", "encoding"),
    )
    for layer in rounded:
        layer.eval()
        layer.rounding = True
    if rounded:
        _write_bytes(graph, rounded)
    return finished(graph)


def _write_bytes(graph: onnx.ModelProto, layers: list[RoundedLinear]) -> None:
    """Rewrite the multiplications by weights; each finds its layer by the weights themselves."""
    weights = {one.name: one for one in graph.graph.initializer}
    nodes: list[onnx.NodeProto] = []
    waiting = list(layers)
    for node in graph.graph.node:
        stored = weights.get(node.input[1]) if node.op_type == "MatMul" else None
        layer = _layer_of(numpy_helper.to_array(stored), waiting) if stored is not None else None
        if layer is None:
            nodes.append(node)
        else:
            waiting.remove(layer)
            nodes += _rounded_nodes(graph, node, layer)
    if waiting:
        raise AssertionError(f"The exporter lost {len(waiting)} layers.")
    del graph.graph.node[:]
    graph.graph.node.extend(nodes)
    _drop_unused(graph)


def _layer_of(stored: npt.NDArray[np.float32], layers: list[RoundedLinear]) -> RoundedLinear | None:
    return next((layer for layer in layers if np.array_equal(layer.weight.detach().numpy().T, stored)), None)


def _rounded_nodes(
    graph: onnx.ModelProto, node: onnx.NodeProto, layer: RoundedLinear
) -> list[onnx.NodeProto]:
    step, zero = layer.input_grid()
    scale = layer.weight_scale().numpy()
    weight = np.rint(layer.weight.detach().numpy() / scale[:, None]).clip(-127, 127)
    prefix = f"{node.output[0]}_"
    constants = {
        "step": np.float32(step.item()),
        "zero": np.uint8(zero.item()),
        "weight": np.ascontiguousarray(weight.T).astype(np.int8),
        "scale": scale.astype(np.float32),
        "middle": np.zeros(len(scale), np.int8),
    }
    for name, value in constants.items():
        graph.graph.initializer.append(numpy_helper.from_array(np.asarray(value), prefix + name))
    names = {name: prefix + name for name in constants}
    return [
        helper.make_node("QuantizeLinear", [node.input[0], names["step"], names["zero"]], [prefix + "byte"]),
        helper.make_node("DequantizeLinear", [prefix + "byte", names["step"], names["zero"]], [prefix + "x"]),
        helper.make_node(
            "DequantizeLinear", [names["weight"], names["scale"], names["middle"]], [prefix + "w"], axis=1
        ),
        helper.make_node("MatMul", [prefix + "x", prefix + "w"], [node.output[0]]),
    ]


def _drop_unused(graph: onnx.ModelProto) -> None:
    used = {name for node in graph.graph.node for name in node.input}
    kept = [one for one in graph.graph.initializer if one.name in used]
    del graph.graph.initializer[:]
    graph.graph.initializer.extend(kept)
