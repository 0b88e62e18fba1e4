"""A torch module becomes an ONNX graph, by torch's exporter, with nothing of this machine in it.

What rounds to bytes is exported as what multiplies bytes; nobody has to ask for it.
"""

import copy
import logging
import warnings
from collections.abc import Sequence
from typing import Any

import onnx
import torch
from torch import nn

from sievert.training.byte_layers import ByteLayer, refuse_lost, with_bytes


def graph_of(
    module: nn.Module,
    example: tuple[Any, ...],
    *,
    dynamic: tuple[Any, ...],
    inputs: Sequence[str],
    outputs: Sequence[str],
) -> onnx.ModelProto:
    """Return the graph of a module, as its `forward` does with the example: tensors, or lists of them.

    `dynamic` has the shape of the example and names, for each tensor, the dimensions that may differ.

    Raises:
        AssertionError: the exporter fixed a dimension, or lost the bytes of a layer.
    """
    module = with_bytes(module)
    # Torch's exporter warns of parts of torch, and of a package that is not needed.
    logging.getLogger("torch.onnx._internal.exporter._registration").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module,
            example,
            dynamo=True,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes=dynamic,
            verbose=False,
        )
    if program is None:
        raise AssertionError("The exporter gave nothing.")
    graph = program.model_proto
    asked = [one for part in dynamic for one in (part if isinstance(part, list) else [part])]
    for value, dimensions in zip(graph.graph.input, asked, strict=True):
        for at in dimensions:
            # The exporter falls back to the example's size without a word where a module fixes it.
            if not value.type.tensor_type.shape.dim[at].dim_param:
                raise AssertionError(f"Dimension {at} of {value.name} was to differ, and was fixed.")
    refuse_lost(graph, [one for one in module.modules() if isinstance(one, ByteLayer) and one.used])
    return graph


def finished(graph: onnx.ModelProto) -> bytes:
    """Return a graph as the bytes of a file, after a check, and without where each node came from."""
    _forget_origin(graph)
    _share_no_bytes(graph.graph)
    onnx.checker.check_model(graph)
    return bytes(graph.SerializeToString())


def _share_no_bytes(graph: onnx.GraphProto) -> None:
    """Give each product signed bytes of its own, though another's are the same.

    For exact sums on processors without VNNI ONNX Runtime writes signed bytes anew as bytes without a sign, and
    refuses a graph in which it would do so twice with one tensor.
    """
    signed = {one.name: one for one in graph.initializer if one.data_type == onnx.TensorProto.INT8}
    floats = {
        node.output[0]: node
        for node in graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in signed
    }
    nodes: list[onnx.NodeProto] = []
    tensors: list[onnx.TensorProto] = []
    for node in graph.node:
        if node.output[0] in floats:
            continue
        for at, name in enumerate(node.input):
            if name in floats:
                own = copy.deepcopy(floats[name])
                own.name = own.output[0] = node.input[at] = f"{name}.of.{len(nodes)}"
                for part, tensor in enumerate(own.input):
                    if tensor in signed:
                        tensors.append(copy.deepcopy(signed[tensor]))
                        tensors[-1].name = own.input[part] = f"{tensor}.of.{len(nodes)}"
                nodes.append(own)
        nodes.append(copy.deepcopy(node))
    asked = {name for node in nodes for name in node.input}
    tensors += [copy.deepcopy(one) for one in graph.initializer if one.name in asked]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(tensors)


def _forget_origin(graph: onnx.ModelProto) -> None:
    """Drop where each node came from: the exporter notes lines of code, with paths of this machine."""
    parts = graph.graph
    for one in (
        graph,
        parts,
        *parts.node,
        *parts.initializer,
        *parts.input,
        *parts.output,
        *parts.value_info,
    ):
        del one.metadata_props[:]
        one.ClearField("doc_string")
