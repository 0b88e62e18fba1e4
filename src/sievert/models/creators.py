"""What every model of creators is: a batch of creators becomes vectors, and logits of what they will do.

A vector is what other models hear of a creator. The logits say how likely somebody who may decide finds a
post of the creator harmful, and how often those who see its posts report them; they help to learn, and
show what a vector knows.

Legend: n creators, e width of a vector.
"""

import abc
import dataclasses
from typing import final

import torch
from torch import Tensor, nn

from sievert.errors import ConfigurationError
from sievert.models.base import Count, ModelConfig
from sievert.models.creator_batch import CreatorBatch

LOGITS = ("violation", "reports")
"""What the columns of a creator's logits mean."""


class CreatorConfig(ModelConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every configuration says: how wide vectors are, how many relations there are."""

    features: Count  # W: numbers of a node
    relations: Count
    vector: Count = 32  # e


@dataclasses.dataclass(frozen=True, slots=True)
class Embedded:
    """What a model makes of n creators."""

    vectors: Tensor  # [n, e]
    logits: Tensor  # [n, 2] in the order of LOGITS


class CreatorModel(nn.Module, abc.ABC):
    """A model of creators."""

    def __init__(self, config: CreatorConfig) -> None:
        """Keep the configuration by which the model can be built again.

        Raises:
            ConfigurationError: the configuration contradicts itself; lists how.
        """
        super().__init__()
        if problems := config.problems():
            raise ConfigurationError(type(config).__name__, problems)
        self.config = config
        self.head = nn.Linear(config.vector, len(LOGITS))

    @final  # type: ignore[misc] # torch declares `forward` as an attribute
    def forward(self, batch: CreatorBatch) -> Embedded:
        """Return vectors and logits of a batch, whatever of it is missing.

        Raises:
            InvalidField: the batch is not sound.
        """
        if not torch.compiler.is_compiling():
            batch.refuse_unless_sound(self.config.relations)
        vectors = self.vectors(batch)
        return Embedded(vectors, self.head(vectors))

    @abc.abstractmethod
    def vectors(self, batch: CreatorBatch) -> Tensor:
        """Return vectors [n, e] of a batch that is sound."""

    def settle(self) -> None:
        """Bring what is looked up when the model serves up to the weights, for models that look something up."""

    def parameters_in_all(self) -> int:
        """Return how many numbers the model learns."""
        return sum(one.numel() for one in self.parameters())


def looked_up(table: Tensor, number: Tensor, average: Tensor) -> Tensor:
    """Return rows [n, e] of a table [N, e] by number [n]; who has none gets the average [e]."""
    known = (number >= 0)[:, None]
    return torch.where(known, table[number.clamp_min(0)], average)
