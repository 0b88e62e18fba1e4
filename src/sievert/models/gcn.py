"""A graph convolution over the whole network of training (Kipf and Welling 2017, arXiv 1609.02907).

Each creator of training has a vector of its own beside its numbers; twice, what stands at a node becomes
the mean over it and its neighbours, weighed by 1 / sqrt(degree) at both ends. What comes out is a table.
Whoever was not in the network then gets the average of the table (transductive): that is what is served,
and `benchmarks/creators_world.py` shows what it is worth.

What differs from the paper: vectors of their own beside features, and relations count alike.

Legend: n creators, N nodes of training, W numbers, w width, e width of a vector.
"""

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from sievert.models.base import Count
from sievert.models.batch import Numbers
from sievert.models.creator_batch import CreatorBatch
from sievert.models.creators import CreatorConfig, CreatorModel, looked_up
from sievert.models.numeric import Scale


class GcnConfig(CreatorConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many nodes the network of training has, and how wide the layer between is."""

    creators: Count  # N
    width: Count = 64


class Gcn(CreatorModel):
    """Two convolutions; `know` gives them the network, `settle` keeps what they make of it."""

    table: Tensor
    average: Tensor

    def __init__(self, config: GcnConfig) -> None:
        """Build the layers, without a network."""
        super().__init__(config)
        self.scale = Scale(config.features)
        self.own = nn.Embedding(config.creators, config.width)
        nn.init.normal_(self.own.weight, std=config.width**-0.5)
        self.read = nn.Linear(2 * config.features, config.width)
        self.out = nn.Linear(config.width, config.vector)
        self.register_buffer("table", torch.zeros(config.creators, config.vector))
        self.register_buffer("average", torch.zeros(config.vector))
        self._network: tuple[Tensor, Numbers] | None = None

    def know(self, adjacency: Tensor, nodes: Numbers) -> None:
        """Take the network of training: a normalised adjacency [N, N], sparse rows, and numbers [N, W]."""
        self._network = adjacency, nodes

    def vectors(self, batch: CreatorBatch) -> Tensor:
        """Return vectors [n, e]: while it learns, made of the network; later, looked up in the table."""
        if self.training and self._network is not None:
            table = self.propagated(*self._network)
            return looked_up(table, batch.number, table.mean(dim=0))
        return looked_up(self.table, batch.number, self.average)

    def propagated(self, adjacency: Tensor, nodes: Numbers) -> Tensor:
        """Return the vectors [N, e] of all nodes."""
        first = propagate(adjacency, self.read(self.scale(nodes)) + self.own.weight)
        return propagate(adjacency, self.out(torch.relu(first)))

    @torch.no_grad()
    def settle(self) -> None:
        """Keep what the convolutions make of the network, and its average."""
        if self._network is not None:
            self.table.copy_(self.propagated(*self._network))
            self.average.copy_(self.table.mean(dim=0))


def propagate(adjacency: Tensor, nodes: Tensor) -> Tensor:
    """Return an adjacency [N, N] that is its own transpose, times nodes [N, w]; it gets no gradient itself."""
    product: Tensor = _Propagation.apply(adjacency, nodes)  # type: ignore[no-untyped-call]
    return product


class _Propagation(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, adjacency: Tensor, nodes: Tensor) -> Tensor:
        context.adjacency = adjacency
        product: Tensor = torch.sparse.mm(adjacency, nodes)
        return product

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[None, Tensor]:
        return None, torch.sparse.mm(context.adjacency, gradient.contiguous())


def normalised(starts: Tensor, neighbour: Tensor) -> Tensor:
    """Return D^-1/2 (A + I) D^-1/2 [N, N] as sparse rows; two nodes joined by several edges are joined once.

    `starts` [N + 1] and `neighbour` [m] are compressed rows of a network that is walked both ways, neighbours
    rising within a row.
    """
    count = len(starts) - 1
    node = torch.repeat_interleave(torch.arange(count), torch.diff(starts))
    everybody = torch.arange(count)
    pair, _ = torch.cat([node * count + neighbour.long(), everybody * count + everybody]).sort()
    pair = torch.unique_consecutive(pair)
    row, column = pair // count, pair % count
    degree = torch.bincount(row, minlength=count).float()
    weight = degree[row].rsqrt() * degree[column].rsqrt()
    begins = torch.searchsorted(row, torch.arange(count + 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sparse rows are said to be in beta; a test compares them with PyG's
        return torch.sparse_csr_tensor(begins, column, weight, (count, count), check_invariants=False)
