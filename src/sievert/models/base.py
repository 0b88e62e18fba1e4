"""What every model is: a module that checks its batch once, and gives named outputs for each post.

Configurations are small frozen records, so that a model can be built again from a file without its
code being named there, and so that two models with equal configurations have equal shapes.

Legend: n posts, O outputs.
"""

import abc
from collections.abc import Sequence
from typing import Annotated, final

import msgspec
import torch
from msgspec import Meta
from torch import Tensor, nn

from sievert.errors import ConfigurationError
from sievert.models.batch import NUMBER_PARTS, PostBatch
from sievert.schema.taxonomy import HARM

REPORTS = "reports"
"""The head that predicts the rate of reports among views; it helps to learn and is not served."""

Count = Annotated[int, Meta(ge=1)]
Share = Annotated[float, Meta(ge=0.0, lt=1.0)]


class ModelConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every configuration says: the numbers that are heard, by part and how many of each."""

    numbers: dict[str, Count] = {}

    def problems(self) -> list[str]:
        """Return what is wrong with the configuration beyond the types of its entries."""
        return [
            f"numbers: {name!r} is not one of {', '.join(NUMBER_PARTS)}"
            for name in self.numbers
            if name not in NUMBER_PARTS
        ]


class HeadedConfig(ModelConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A configuration of a model with heads: harm, reports, and one for each policy."""

    policies: tuple[str, ...]

    @property
    def heads(self) -> tuple[str, ...]:
        """Return what the columns of the logits mean."""
        return HARM, REPORTS, *self.policies

    def problems(self) -> list[str]:
        """Return what is wrong with the configuration."""
        doubled = len(set(self.heads)) < len(self.heads)
        return [*super().problems(), *(["policies: a head is named twice"] if doubled else [])]


def divides(width: int, parts: int, name: str) -> list[str]:
    """Return the problem, if there is one, that attention heads do not divide a width."""
    return [] if width % parts == 0 else [f"{name}: {parts} attention heads do not divide a width of {width}"]


class PostModel(nn.Module, abc.ABC):
    """A model of posts; `columns` says what its outputs are, in order."""

    def __init__(self, config: ModelConfig, columns: Sequence[str]) -> None:
        """Keep the configuration by which the model can be built again.

        Raises:
            ConfigurationError: the configuration contradicts itself; lists how.
        """
        super().__init__()
        if problems := config.problems():
            raise ConfigurationError(type(config).__name__, problems)
        self.config = config
        self.columns = tuple(columns)

    @final  # type: ignore[misc] # torch declares `forward` as an attribute
    def forward(self, batch: PostBatch) -> Tensor:
        """Return the outputs [n, O] of a batch, whatever of it is missing.

        Raises:
            InvalidField: the batch is not sound, or not as wide as the configuration says.
        """
        check(batch)
        return self.outputs(batch)

    @abc.abstractmethod
    def outputs(self, batch: PostBatch) -> Tensor:
        """Return the outputs [n, O] of a batch that is sound."""

    def parameters_in_all(self) -> int:
        """Return how many numbers the model learns."""
        return sum(one.numel() for one in self.parameters())


def check(batch: PostBatch) -> None:
    """Make sure that a batch is sound, where its numbers can be looked at: not inside a traced graph.

    Raises:
        InvalidField: it is not.
    """
    if not torch.compiler.is_compiling():
        batch.refuse_unless_sound()
