"""A creator as a function of its numbers and of a draw of its neighbours' (Hamilton et al. 2017, arXiv 1706.02216).

    numbers of each node -> h0      h0 and the mean of neighbours' h0 -> h1      h1 and the mean of h1 -> vector

Nothing hangs on who a creator is, so that one who joined a minute ago is embedded like any other
(inductive). A creator without neighbours takes a path of its own: in place of their mean stands a learned
vector, and what its numbers say goes to the vector past both hops too. So that this path is learned,
training drops neighbours, and of some creators all.

What differs from the paper: relations have vectors that are added to what a neighbour says; vectors are not
scaled to length 1; the path past the hops; a draw hangs on the seed and the node and not on the batch.

Legend: n creators, u nodes, S and T neighbours at the two hops, w width, e width of a vector.
"""

import torch
from torch import Tensor, nn

from sievert.models.base import Count, Share
from sievert.models.creator_batch import CreatorBatch
from sievert.models.creators import CreatorConfig, CreatorModel
from sievert.models.numeric import Scale


class GraphSageConfig(CreatorConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The width, how many neighbours are drawn at each hop, and how many are dropped while it learns."""

    width: Count = 64
    fanouts: tuple[Count, Count] = (15, 10)
    drop_neighbour: Share = 0.2  # of each neighbour
    drop_all: Share = 0.1  # of all neighbours of a creator
    dropout: Share = 0.1


class NeighbourMean(nn.Module):
    """A layer: what a node is, and the mean of what its neighbours are and of how they are joined to it."""

    def __init__(self, inputs: int, outputs: int, *, relations: int) -> None:
        """Begin with relations that say nothing."""
        super().__init__()
        self.own = nn.Linear(inputs, outputs)
        self.near = nn.Linear(inputs, outputs, bias=False)
        self.relation = nn.Embedding(relations, inputs)
        nn.init.zeros_(self.relation.weight)
        self.alone = nn.Parameter(torch.zeros(outputs))

    def forward(self, own: Tensor, near: Tensor, relation: Tensor, there: Tensor) -> Tensor:
        """Return [..., outputs] of own [..., inputs], near [..., S, inputs], relation and there [..., S]."""
        weight = there.to(near.dtype)[..., None]
        count = weight.sum(dim=-2)
        mean = ((near + self.relation(relation)) * weight).sum(dim=-2) / count.clamp_min(1)
        out: Tensor = self.own(own) + self.near(mean) + (count == 0) * self.alone
        return out


class GraphSage(CreatorModel):
    """Two hops of neighbour means, and a path past them."""

    def __init__(self, config: GraphSageConfig) -> None:
        """Build the layers."""
        super().__init__(config)
        self.scale = Scale(config.features)
        self.read = nn.Sequential(
            nn.Linear(2 * config.features, config.width),
            nn.LayerNorm(config.width),
            nn.ReLU(),
            nn.Dropout(config.dropout),
        )
        self.inner = NeighbourMean(config.width, config.width, relations=config.relations)
        self.outer = NeighbourMean(config.width, config.vector, relations=config.relations)
        self.past = nn.Linear(config.width, config.vector)
        self._drops = config.drop_neighbour, config.drop_all

    def vectors(self, batch: CreatorBatch) -> Tensor:
        """Return vectors [n, e]."""
        h0 = self.read(self.scale(batch.nodes))  # [u, w]
        here = h0[batch.centre]
        first_there, second_there = self._kept(batch.first >= 0), self._kept(batch.second >= 0)
        near = h0[batch.first.clamp_min(0)]  # [n, S, w]
        far = h0[batch.second.clamp_min(0)]  # [n, S, T, w]
        h1_near = torch.relu(self.inner(near, far, batch.second_relation, second_there))
        h1_here = torch.relu(self.inner(here, near, batch.first_relation, first_there))
        out: Tensor = self.outer(h1_here, h1_near, batch.first_relation, first_there)
        return out + self.past(here)  # type: ignore[no-any-return]

    def _kept(self, there: Tensor) -> Tensor:
        """While it learns, drop some neighbours [n, ...], and of some creators all."""
        if not self.training:
            return there
        each, every = self._drops
        kept = torch.rand(there.shape, device=there.device) >= each
        whole = torch.rand(len(there), device=there.device) >= every
        return there & kept & whole.view(-1, *[1] * (there.ndim - 1))
