"""Rows of numbers with gaps become inputs of a network: standardised, zero where not known, and told so.

What is not known is set to the mean and a second input says that it is missing, so that "no followers"
and "nobody said how many followers" differ.

Legend: n posts, W numbers of a part, V numbers of all parts together.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sievert.errors import InvalidField
from sievert.models.batch import Numbers, PostBatch

_FARTHEST = 8.0
"""Standard deviations from the mean beyond which a number says no more."""
_LEAST_SPREAD = 1e-3
_NO_SPREAD = 1e-6
_UNHEARD = 1e6
"""The spread of a number that never differed: nobody knows what another value means, so that none is heard."""


class Scale(nn.Module):
    """Mean and spread of each number, measured once on training rows and saved with the model."""

    mean: Tensor
    spread: Tensor

    def __init__(self, width: int) -> None:
        """Leave W numbers as they are until `fit` has seen some."""
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("spread", torch.ones(width))

    @torch.no_grad()
    def fit(self, numbers: Numbers) -> None:
        """Measure on rows [n, W]; what is never known keeps a mean of 0 and a spread of 1, what never differs is not heard."""
        known = numbers.known.double()
        count = known.sum(dim=0)
        mean = (numbers.values.double() * known).sum(dim=0) / count.clamp_min(1)
        square = (torch.square(numbers.values.double() - mean) * known).sum(dim=0) / count.clamp_min(1)
        seen = count > 0
        self.mean.copy_(torch.where(seen, mean, 0.0))
        spread = square.sqrt()
        spread = torch.where(spread < _NO_SPREAD, _UNHEARD, spread.clamp_min(_LEAST_SPREAD))
        self.spread.copy_(torch.where(seen, spread, 1.0))

    def forward(self, numbers: Numbers) -> Tensor:
        """Return [n, 2 W]: standardised numbers, 0 where not known, and whether each is known."""
        scaled = ((numbers.values - self.mean) / self.spread).clamp(-_FARTHEST, _FARTHEST)
        known = numbers.known.to(scaled.dtype)
        return torch.cat([scaled * known, known], dim=1)


def numbers_of(batch: PostBatch, name: str, width: int) -> Numbers | None:
    """Return a part of a batch, or None where the batch has none.

    Raises:
        InvalidField: it is not `width` wide.
    """
    numbers: Numbers | None = getattr(batch, name)
    if numbers is not None and numbers.values.shape[1] != width:
        raise InvalidField(
            f"The batch's {name} has {numbers.values.shape[1]} numbers a post, the model takes {width}.",
            remedy="Build the model for these features, or the features that the model was built for.",
            field=f"{name}.values",
        )
    return numbers


class NumberBlock(nn.Module):
    """Several parts side by side, in the order of the configuration."""

    def __init__(self, widths: Mapping[str, int]) -> None:
        """Take the widths of the parts by name; none is fine."""
        super().__init__()
        self.widths = dict(widths)
        self.scales = nn.ModuleDict({name: Scale(width) for name, width in widths.items()})
        self.outputs = 2 * sum(self.widths.values())

    def fit(self, batch: PostBatch) -> None:
        """Measure means and spreads on training rows."""
        for name, scale in self.scales.items():
            numbers = numbers_of(batch, name, self.widths[name])
            if isinstance(scale, Scale) and numbers is not None:
                scale.fit(numbers)

    def forward(self, batch: PostBatch, like: Tensor) -> Tensor:
        """Return [n, 2 V]; a part that a batch lacks is zero. `like` tells the type and the device."""
        columns = [like.new_zeros(batch.posts, 0)]
        for name, scale in self.scales.items():
            numbers = numbers_of(batch, name, self.widths[name])
            missing = like.new_zeros(batch.posts, 2 * self.widths[name])
            columns.append(missing if numbers is None else scale(numbers).to(like.dtype))
        return torch.cat(columns, dim=1)
