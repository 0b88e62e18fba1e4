"""Rounding to bytes in training, as serving will do it: static scales, nothing measured per batch.

Layers that multiply by weights, linear ones and convolutions, multiply bytes: their input in [0, 255]
with one range a layer, their weights in [-127, 127] with one scale an output. Ranges start at what
examples show and are then learnt with the weights (LSQ+, Bhalgat et al. 2020); rounding itself passes
gradients through. `byte_layers` is how these layers are exported.

    rounded(module, batches)        any module, in place: it has seen the batches, and rounds from now on
    with_rounding(module, show)     the same, where `show` has the module see what it will be given

What stands between those layers (norms, softmax, products of queries and keys) stays in floats. A
convolution's result is rounded too: ONNX Runtime multiplies bytes there only if bytes come out. One whose
windows lie side by side, as the patches of a vision transformer do, is a linear layer, and goes without.

What was tried and did not help: percentiles instead of the extremes, and moving loud channels into
the weights; for convolutions, ONNX's ConvInteger, five times as slow as floats (`experiments/LOG.md`).

Not covered: torch's own multi-head attention, whose weights are hidden; it stays in floats.

Legend: I inputs of a layer, O outputs, n examples, h and w height and width.
"""

import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

_LEVELS = 255.0
_WEIGHT_LEVELS = 127.0
_MARGIN = 1.05
"""The range is wider than what was seen by this factor."""
_MOST_BIAS = 2.0**30
"""A convolution's bias is a 32-bit integer."""

Module = TypeVar("Module", bound=nn.Module)


class Range(nn.Module):
    """The range of a layer's input or result; it always holds zero."""

    def __init__(self) -> None:
        """Begin with nearly nothing, before anything was seen."""
        super().__init__()
        self.low = nn.Parameter(torch.zeros(()))
        self.high = nn.Parameter(torch.full((), 1e-3))

    @torch.no_grad()
    def observe(self, x: Tensor) -> None:
        """Let the range hold x, and a little more."""
        self.low.copy_(torch.minimum(self.low, x.min() * _MARGIN))
        self.high.copy_(torch.maximum(self.high, x.max() * _MARGIN))

    def grid(self) -> tuple[Tensor, Tensor]:
        """Return the step between two levels, and which level stands for zero."""
        step = (self.high - self.low).clamp_min(1e-6) / _LEVELS
        zero = torch.round(-self.low / step).clamp(0, _LEVELS).detach()
        return step, zero

    def forward(self, x: Tensor) -> Tensor:
        """Return x, cut and rounded to the levels of the range."""
        step, zero = self.grid()
        low, high = -zero * step, (_LEVELS - zero) * step
        x = torch.minimum(torch.maximum(x, low), high)
        return _round(x / step) * step


class RoundedLayer(nn.Module):
    """A layer that can observe what it is given, and then rounds as serving does."""

    def __init__(self, layer: nn.Linear | nn.Conv2d) -> None:
        """Take over a layer's weights [O, ...]; it observes until `rounding` is set."""
        super().__init__()
        self.weight = layer.weight
        self.bias = layer.bias
        self.input = Range()
        self.rounding = False
        self.seen = False

    def forward(self, x: Tensor) -> Tensor:
        """Return what the layer makes of x."""
        if self.rounding:
            return self.made(self.input(x), self.rounded_weight())
        if not self.training:
            self.seen = True
            self.input.observe(x)
        return self.made(x, self.weight)

    def made(self, x: Tensor, weight: Tensor) -> Tensor:
        """Return what the layer makes of x with these weights."""
        raise NotImplementedError

    def weight_scale(self) -> Tensor:
        """Return one scale an output [O]."""
        most = self.weight.detach().flatten(1).abs().amax(dim=1)
        return most.clamp_min(1e-8) / _WEIGHT_LEVELS

    def rounded_weight(self) -> Tensor:
        """Return the weights [O, ...] that serving multiplies with."""
        scale = self.weight_scale().view(-1, *(1,) * (self.weight.ndim - 1))
        return _round((self.weight / scale).clamp(-_WEIGHT_LEVELS, _WEIGHT_LEVELS)) * scale


class RoundedLinear(RoundedLayer):
    """A linear layer: [..., I] to [..., O]."""

    def made(self, x: Tensor, weight: Tensor) -> Tensor:
        """Return [..., O] of [..., I]."""
        return nn.functional.linear(x, weight, self.bias)


class RoundedConv2d(RoundedLayer):
    """A convolution: [n, I, h, w] to [n, O, h', w']."""

    def __init__(self, layer: nn.Conv2d) -> None:
        """Take over a layer's weights and how its windows lie.

        Raises:
            ValueError: it pads with something else than zeros, or by a word.
        """
        super().__init__(layer)
        if layer.padding_mode != "zeros" or isinstance(layer.padding, str):
            raise ValueError(f"a convolution that pads by {layer.padding_mode} and {layer.padding}")
        self.stride, self.padding, self.dilation = layer.stride, layer.padding, layer.dilation
        self.groups = layer.groups
        self.output = Range()

    def made(self, x: Tensor, weight: Tensor) -> Tensor:
        """Return [n, O, h', w'] of [n, I, h, w]."""
        found: Tensor = nn.functional.conv2d(
            x, weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )
        if self.rounding:
            found = self.output(found)
        elif not self.training:
            self.output.observe(found)
        return found

    def weight_scale(self) -> Tensor:
        """Return one scale an output [O], large enough that the bias, in units of it, is an integer."""
        scale = super().weight_scale()
        if self.bias is None:
            return scale
        step = self.input.grid()[0].detach()
        return torch.maximum(scale, self.bias.detach().abs() / (step * _MOST_BIAS))


class RoundedPatches(RoundedLayer):
    """A convolution whose windows lie side by side: each becomes a vector [I * p * p], and goes through a matrix."""

    def __init__(self, layer: nn.Conv2d) -> None:
        """Take over a layer's weights and the size of its windows."""
        super().__init__(layer)
        self.size = layer.kernel_size

    def made(self, x: Tensor, weight: Tensor) -> Tensor:
        """Return [n, O, h / p, w / p] of [n, I, h, w]."""
        return nn.functional.linear(self.apart(x), weight.flatten(1), self.bias).permute(0, 3, 1, 2)

    def apart(self, x: Tensor) -> Tensor:
        """Return the windows [n, h / p, w / p, I * p * p] of [n, I, h, w]."""
        down, across = self.size
        n, inputs, height, width = x.shape
        height, width = height // down, width // across  # a rest that fills no window is not looked at
        x = x[:, :, : height * down, : width * across]
        x = x.reshape(n, inputs, height, down, width, across).permute(0, 2, 4, 1, 3, 5)
        return x.reshape(n, height, width, inputs * down * across)


class RoundedEmbedding(nn.Module):
    """Word vectors as bytes, with one scale a word and one a channel; they learn no more."""

    table: Tensor
    scale: Tensor
    channel: Tensor

    def __init__(self, embedding: nn.Embedding) -> None:
        """Round an embedding's table [V, d]."""
        super().__init__()
        table = embedding.weight.detach()
        channel = table.abs().mean(dim=0).clamp_min(1e-8)
        scale = (table / channel).abs().amax(dim=1).clamp_min(1e-8) / _WEIGHT_LEVELS
        self.register_buffer("table", torch.round(table / channel / scale.unsqueeze(1)).to(torch.int8))
        self.register_buffer("scale", scale)
        self.register_buffer("channel", channel)

    def forward(self, ids: Tensor) -> Tensor:
        """Return vectors [..., d] of token ids [...]."""
        return self.table[ids].to(torch.float32) * self.scale[ids].unsqueeze(-1) * self.channel


def rounded(module: Module, batches: Iterable[Any]) -> Module:
    """Round a module in place, and return it; each batch is what the module is called with.

    Batches are read twice where the module has batch norms, so they must be no iterator.
    """

    def show() -> None:
        for batch in batches:
            module(batch)

    with_rounding(module, show)
    return module


@torch.no_grad()
def with_rounding(module: nn.Module, show: Callable[[], object]) -> list[RoundedLayer]:
    """Replace a module's linear layers, convolutions and word vectors in place; they round from now on.

    `show` has the module see what it will be given, and may be called twice: batch norms behind
    convolutions become part of them first. Ranges are what was seen. Layers that saw nothing stay as they
    are, in floats. Returns the new layers. The module is left as it serves (`eval`).

    Raises:
        ValueError: a convolution pads in a way that is not covered.
    """
    module.eval()
    _fold_norms(module, show)
    words = _word_vectors(module)
    before: dict[nn.Module, nn.Linear | nn.Conv2d] = {}

    def replacement(child: nn.Module) -> nn.Module | None:
        if child in words:
            return RoundedEmbedding(child)  # type: ignore[arg-type]  # `words` are embeddings
        if isinstance(child, nn.Linear | nn.Conv2d):
            layer = _rounded_layer(child).to(child.weight.device).eval()
            before[layer] = child
            return layer
        return None

    with_replaced(module, replacement)
    show()
    with_replaced(module, lambda child: None if getattr(child, "seen", True) else before[child])
    layers = [child for child in module.modules() if isinstance(child, RoundedLayer)]
    for layer in layers:
        layer.rounding = True
    return layers


def with_replaced(module: Module, replacement: Callable[[nn.Module], nn.Module | None]) -> Module:
    """Put what `replacement` gives for a child in its place, in place; a child in several places stays one."""
    known: dict[nn.Module, nn.Module | None] = {}
    for parent in list(module.modules()):
        for name, child in list(parent._modules.items()):  # noqa: SLF001  `named_children` passes over a second name
            if child is not None:
                if child not in known:
                    known[child] = replacement(child)
                if (new := known[child]) is not None:
                    setattr(parent, name, new)
    return module


def _rounded_layer(layer: nn.Linear | nn.Conv2d) -> RoundedLayer:
    if isinstance(layer, nn.Linear):
        return RoundedLinear(layer)
    plain = layer.groups == 1 and layer.padding in {(0, 0), "valid"} and layer.dilation == (1, 1)
    if plain and layer.stride == layer.kernel_size and max(layer.kernel_size) > 1:
        return RoundedPatches(layer)
    return RoundedConv2d(layer)


def _word_vectors(module: nn.Module) -> set[nn.Module]:
    """Return the embeddings of words of all encoders in a module."""
    found: set[nn.Module] = set()
    for one in module.modules():
        if isinstance(one, PreTrainedModel):
            with contextlib.suppress(NotImplementedError):  # of an encoder that reads no words
                words = one.get_input_embeddings()
                found |= {words} if isinstance(words, nn.Embedding) else set()
    return found


def _fold_norms(module: nn.Module, show: Callable[[], object]) -> None:
    """Let each convolution do what the batch norm behind it would do to its result.

    Where a norm was given exactly what a convolution had just made, it stands behind it.
    """
    if not any(isinstance(one, nn.BatchNorm2d) for one in module.modules()):
        return
    made: dict[int, tuple[Tensor, nn.Conv2d]] = {}
    pairs: dict[nn.BatchNorm2d, nn.Conv2d] = {}

    def note(one: nn.Module, given: tuple[Any, ...], result: Any) -> None:
        if isinstance(one, nn.Conv2d):
            made[id(result)] = result, one  # held, so that no other tensor gets its number
        elif isinstance(one, nn.BatchNorm2d) and id(given[0]) in made:
            pairs[one] = made.pop(id(given[0]))[1]

    hooks = [one.register_forward_hook(note) for one in module.modules()]
    try:
        show()
    finally:
        for hook in hooks:
            hook.remove()
    for norm, conv in pairs.items():
        fused = nn.utils.fusion.fuse_conv_bn_eval(conv, norm)
        learns = conv.weight.requires_grad
        conv.weight = fused.weight.requires_grad_(learns)
        conv.bias = None if fused.bias is None else fused.bias.requires_grad_(learns)
    folded: Mapping[nn.Module, nn.Module] = {norm: nn.Identity() for norm in pairs}
    with_replaced(module, folded.get)


def _round(x: Tensor) -> Tensor:
    """Round, and let gradients through as if nothing had happened."""
    return x + (torch.round(x) - x).detach()
