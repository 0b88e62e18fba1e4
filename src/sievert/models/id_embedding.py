"""A vector for each creator by its number, and the average for whoever was not there (transductive).

The plainest embedding there is; whoever joins after training is nobody in particular to it.

Legend: n creators, N creators of training, e width of a vector.
"""

from torch import Tensor, nn

from sievert.models.base import Count
from sievert.models.creator_batch import CreatorBatch
from sievert.models.creators import CreatorConfig, CreatorModel, looked_up


class IdEmbeddingConfig(CreatorConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many creators there are."""

    creators: Count  # N


class IdEmbedding(CreatorModel):
    """A table of vectors."""

    def __init__(self, config: IdEmbeddingConfig) -> None:
        """Begin with small vectors at random."""
        super().__init__(config)
        self.table = nn.Embedding(config.creators, config.vector)
        nn.init.normal_(self.table.weight, std=config.vector**-0.5)

    def vectors(self, batch: CreatorBatch) -> Tensor:
        """Return vectors [n, e]; neither numbers nor neighbours of the batch are looked at."""
        weight = self.table.weight
        return looked_up(weight, batch.number, weight.mean(dim=0))
