"""Rounding to bytes in training, as serving will do it: static scales, nothing measured per batch.

Every linear layer of the encoder multiplies bytes: its input in [0, 255] with one range a layer, its
weights in [-127, 127] with one scale an output. Ranges start at what calibration texts show and are
then learnt with the weights (LSQ+, Bhalgat et al. 2020); rounding itself passes gradients through.

What was tried and did not help: percentiles instead of the extremes, and moving loud channels into
the weights (`experiments/LOG.md`).

Legend: I inputs of a layer, O outputs.
"""

import torch
from torch import nn

_LEVELS = 255.0
_WEIGHT_LEVELS = 127.0
_MARGIN = 1.05
"""The range is wider than what was seen by this factor."""


class RoundedLinear(nn.Module):
    """A linear layer that can observe its inputs, and then rounds as serving does."""

    def __init__(self, linear: nn.Linear) -> None:
        """Take over a layer's weights; observe until `settle` is called."""
        super().__init__()
        self.weight = linear.weight
        self.bias = linear.bias
        self.low = nn.Parameter(torch.zeros(()))
        self.high = nn.Parameter(torch.full((), 1e-3))
        self.rounding = False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return [..., O] of [..., I]."""
        if not self.rounding:
            if not self.training:
                self._observe(x)
            return nn.functional.linear(x, self.weight, self.bias)
        step, zero = self.input_grid()
        low, high = -zero * step, (_LEVELS - zero) * step
        x = torch.minimum(torch.maximum(x, low), high)
        return nn.functional.linear(_round(x / step) * step, self.rounded_weight(), self.bias)

    def input_grid(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the step between two levels of the input, and which level stands for zero."""
        step = (self.high - self.low).clamp_min(1e-6) / _LEVELS
        zero = torch.round(-self.low / step).clamp(0, _LEVELS).detach()
        return step, zero

    def weight_scale(self) -> torch.Tensor:
        """Return one scale an output [O]."""
        return self.weight.abs().amax(dim=1).clamp_min(1e-8).detach() / _WEIGHT_LEVELS

    def rounded_weight(self) -> torch.Tensor:
        """Return the weights [O, I] that serving multiplies with."""
        scale = self.weight_scale().unsqueeze(1)
        return _round(self.weight / scale) * scale

    def settle(self) -> None:
        """Take the range of what was observed, and round from now on."""
        self.rounding = True

    def _observe(self, x: torch.Tensor) -> None:
        with torch.no_grad():
            self.low.copy_(torch.minimum(self.low, x.min() * _MARGIN))
            self.high.copy_(torch.maximum(self.high, x.max() * _MARGIN))


class RoundedEmbedding(nn.Module):
    """Word vectors as bytes, with one scale a word and one a channel; they learn no more."""

    table: torch.Tensor
    scale: torch.Tensor
    channel: torch.Tensor

    def __init__(self, embedding: nn.Embedding) -> None:
        """Round an embedding's table [V, d]."""
        super().__init__()
        table = embedding.weight.detach()
        channel = table.abs().mean(dim=0).clamp_min(1e-8)
        scale = (table / channel).abs().amax(dim=1).clamp_min(1e-8) / _WEIGHT_LEVELS
        self.register_buffer("table", torch.round(table / channel / scale.unsqueeze(1)).to(torch.int8))
        self.register_buffer("scale", scale)
        self.register_buffer("channel", channel)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Return vectors [..., d] of token ids [...]."""
        return self.table[ids].to(torch.float32) * self.scale[ids].unsqueeze(-1) * self.channel


def with_rounding(model: nn.Module) -> list[RoundedLinear]:
    """Replace a model's linear layers and its largest embedding in place.

    Returns the new linear layers, which observe until they settle.
    """
    embeddings = [module for module in model.modules() if isinstance(module, nn.Embedding)]
    words = max(embeddings, key=lambda one: one.num_embeddings, default=None)
    rounded: list[RoundedLinear] = []
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if child is words:
                setattr(module, name, RoundedEmbedding(child))
            elif isinstance(child, nn.Linear):
                layer = RoundedLinear(child).train(child.training)
                setattr(module, name, layer)
                rounded.append(layer)
    return rounded


def _round(x: torch.Tensor) -> torch.Tensor:
    """Round, and let gradients through as if nothing had happened."""
    return x + (torch.round(x) - x).detach()
