"""The light student: hashed n-grams, numbers of the thumbnail and rows of numbers into a small network.

The n-grams are those of `features.content`, each a row of a table of vectors; their weighted sum goes,
beside the numbers, through one hidden layer and past it. Serving sums bytes of the same table in a
compiled loop, so the model is cut there: `sums` is the table's part, `head` the network's.

It learns from the heavy model's soft scores (Hinton, Vinyals and Dean 2015, arXiv 1503.02531); feature
hashing after Weinberger et al. 2009 (arXiv 0902.2206).

Legend: n posts, m n-grams of all posts, D width of a vector, V numbers, H heads.
"""

from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor, nn

from sievert.models.base import Count, HeadedConfig, PostModel
from sievert.models.batch import PostBatch
from sievert.models.numeric import NumberBlock

_SMALL = 0.02

Bits = Annotated[int, Meta(ge=1, le=24)]


class LightConfig(HeadedConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table has 2**bits rows, each a vector; the numbers are facts, thumbnail, and what else there is."""

    bits: Bits = 18
    vector: Count = 16
    units: Count = 32


class Light(PostModel):
    """A table of n-gram vectors, and a network with one hidden layer beside a linear one."""

    def __init__(self, config: LightConfig) -> None:
        """Begin with small vectors and with hidden units that are not heard yet."""
        super().__init__(config, config.heads)
        self.table = nn.EmbeddingBag(1 << config.bits, config.vector, mode="sum")
        nn.init.normal_(self.table.weight, std=_SMALL)
        self.numbers = NumberBlock(config.numbers)
        inputs = config.vector + self.numbers.outputs
        self.hidden = nn.Linear(inputs, config.units)
        self.spoken = nn.Linear(config.units, len(config.heads), bias=False)
        self.direct = nn.Linear(inputs, len(config.heads))

    def sums(self, batch: PostBatch) -> Tensor:
        """Return the weighted sum [n, D] of the vectors of each post's n-grams."""
        if batch.grams is None:
            return self.table.weight.new_zeros(batch.posts, self.table.embedding_dim)
        summed: Tensor = self.table(
            batch.grams.indices, batch.grams.starts, per_sample_weights=batch.grams.weights
        )
        return summed

    def head(self, sums: Tensor, batch: PostBatch) -> Tensor:
        """Return logits [n, H] of sums [n, D] and the batch's numbers."""
        inputs = torch.cat([sums, self.numbers(batch, sums)], dim=1)
        logits: Tensor = self.spoken(torch.relu(self.hidden(inputs))) + self.direct(inputs)
        return logits

    def outputs(self, batch: PostBatch) -> Tensor:
        """Return logits [n, H]."""
        return self.head(self.sums(batch), batch)
