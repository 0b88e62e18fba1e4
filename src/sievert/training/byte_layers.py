"""How rounded layers are exported: as the nodes of ONNX that multiply bytes (QDQ).

Each layer says by itself which nodes it becomes: its input rounded to a byte with a fixed scale, its
weights as bytes. So no layer has to be found again in what the exporter made of the rest. ONNX Runtime
sees bytes on both sides of a product, and multiplies them as integers.

Not covered: sessions that are not those of `scoring.onnx_session`, on processors with AVX2 and without VNNI;
there ONNX Runtime sums pairs of such products in 16 bits, which may not hold them.

Legend: I inputs of a layer, O outputs, n examples, h and w height and width.
"""

import copy

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from sievert.training.rounded import (
    Range,
    RoundedConv2d,
    RoundedLayer,
    RoundedLinear,
    RoundedPatches,
    with_replaced,
)

_node = torch.onnx.ops.symbolic


class ByteRange(nn.Module):
    """A range as two nodes: to bytes, and back to the floats that they stand for."""

    step: Tensor
    zero: Tensor

    def __init__(self, given: Range) -> None:
        """Take the levels of a range."""
        super().__init__()
        step, zero = given.grid()
        self.register_buffer("step", step.detach().clone())
        self.register_buffer("zero", zero.to(torch.uint8))

    def forward(self, x: Tensor) -> Tensor:
        """Return x on the levels of the range."""
        levels = (self.step, self.zero)
        quantised = _node("QuantizeLinear", (x, *levels), dtype=torch.uint8, shape=x.shape)
        return _node("DequantizeLinear", (quantised, *levels), dtype=torch.float32, shape=x.shape)


class ByteLayer(nn.Module):
    """A layer whose weights are bytes; `axis` is that of its outputs."""

    byte: Tensor
    scale: Tensor
    middle: Tensor

    def __init__(self, layer: RoundedLayer, *, axis: int) -> None:
        """Take a layer's weights as they were rounded: [O, ...] if `axis` is 0, as a matrix [I, O] if 1."""
        super().__init__()
        scale = layer.weight_scale()
        byte = torch.round(layer.weight.detach().flatten(1) / scale[:, None]).clamp(-127, 127)
        byte = byte.T if axis == 1 else byte.view_as(layer.weight)
        self.axis = axis
        self.used = False
        """Whether a graph has asked for the weights; a lane of text asks for none of the image encoder's."""
        self.input = ByteRange(layer.input)
        self.bias = layer.bias
        self.register_buffer("byte", byte.to(torch.int8).contiguous())
        self.register_buffer("scale", scale)
        self.register_buffer("middle", torch.zeros(len(scale), dtype=torch.int8))

    @property
    def weight(self) -> Tensor:
        """Return the weights as floats, which the graph has as bytes."""
        self.used = True
        given = (self.byte, self.scale, self.middle)
        return _node(
            "DequantizeLinear", given, {"axis": self.axis}, dtype=torch.float32, shape=self.byte.shape
        )


class ByteLinear(ByteLayer):
    """A linear layer: [..., I] to [..., O]."""

    def __init__(self, layer: RoundedLayer) -> None:
        """Take a layer's weights as a matrix [I, O]."""
        super().__init__(layer, axis=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return [..., O] of [..., I]."""
        found: Tensor = self.input(x) @ self.weight
        return found if self.bias is None else found + self.bias


class BytePatches(ByteLinear):
    """A linear layer on windows that lie side by side: [n, I, h, w] to [n, O, h / p, w / p]."""

    def __init__(self, layer: RoundedPatches) -> None:
        """Take a layer's weights and the size of its windows."""
        super().__init__(layer)
        self.apart = layer.apart

    def forward(self, x: Tensor) -> Tensor:
        """Return [n, O, h / p, w / p] of [n, I, h, w]."""
        return super().forward(self.apart(x)).permute(0, 3, 1, 2)


class ByteConv2d(ByteLayer):
    """A convolution whose bias is a 32-bit integer, and whose result is a byte again."""

    units: Tensor
    unit: Tensor
    none: Tensor

    def __init__(self, layer: RoundedConv2d) -> None:
        """Take a layer's weights and how its windows lie."""
        super().__init__(layer, axis=0)
        self.windows = (layer.stride, layer.padding, layer.dilation, layer.groups)
        self.output = ByteRange(layer.output)
        unit = self.scale * self.input.step
        bias = torch.zeros_like(unit) if layer.bias is None else layer.bias.detach()
        self.register_buffer("unit", unit)
        self.register_buffer("units", torch.round(bias.double() / unit).to(torch.int32))
        self.register_buffer("none", torch.zeros(len(unit), dtype=torch.int32))

    def forward(self, x: Tensor) -> Tensor:
        """Return [n, O, h', w'] of [n, I, h, w]."""
        given = (self.units, self.unit, self.none)
        bias = _node("DequantizeLinear", given, {"axis": 0}, dtype=torch.float32, shape=self.units.shape)
        found: Tensor = self.output(nn.functional.conv2d(self.input(x), self.weight, bias, *self.windows))
        return found


def with_bytes(module: nn.Module) -> nn.Module:
    """Return a copy of a module, on the CPU and to be exported, whose rounded layers became layers of bytes.

    A module that rounds nothing is returned as it is.
    """
    if not any(isinstance(one, RoundedLayer) for one in module.modules()):
        return module
    return with_replaced(copy.deepcopy(module).cpu(), _of_bytes)


def refuse_lost(graph: onnx.ModelProto, layers: list[ByteLayer]) -> None:
    """Make sure that a graph has the weights of these layers as bytes, and multiplies with them.

    Raises:
        AssertionError: it does not; says of how many.
    """
    stored = {one.name: one for one in graph.graph.initializer}
    used = {node.input[0] for node in graph.graph.node if node.op_type == "DequantizeLinear"}
    found = {
        (array.shape, array.tobytes())
        for name in used & stored.keys()
        if (array := numpy_helper.to_array(stored[name])).dtype == np.int8
    }
    wanted = [layer.byte.numpy() for layer in layers]
    lost = sum((one.shape, one.tobytes()) not in found for one in wanted)
    if lost:
        raise AssertionError(f"The exporter lost the bytes of {lost} of {len(layers)} layers.")


def _of_bytes(child: nn.Module) -> nn.Module | None:
    match child:
        case RoundedLinear():
            return ByteLinear(child)
        case RoundedPatches():
            return BytePatches(child)
        case RoundedConv2d():
            return ByteConv2d(child)
        case _:
            return None
