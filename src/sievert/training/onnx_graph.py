"""A torch module becomes an ONNX graph, by torch's exporter, with nothing of this machine in it.

What rounds to bytes is exported as what multiplies bytes; nobody has to ask for it.
"""

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
    onnx.checker.check_model(graph)
    return bytes(graph.SerializeToString())


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
