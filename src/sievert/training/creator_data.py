"""What a model of creators learns from: a network as of a time, what was known of creators then, what came.

Legend: v nodes of the network, a accounts (the first of them), W numbers of an account.
"""

import dataclasses
import hashlib
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch

from sievert.datasets.creator_history import CREATOR_NUMBERS, CreatorHistory, Outcomes
from sievert.features.creators.collation import collated
from sievert.features.creators.graph import Graph
from sievert.models.batch import Numbers
from sievert.models.creator_batch import NOBODY, CreatorBatch
from sievert.schema.clock import Micros
from sievert.schema.history import Int64s

Rows = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CreatorData:
    """A network with numbers of its accounts; groups and pages have none."""

    graph: Graph  # of v nodes
    values: npt.NDArray[np.float32]  # [a, W]
    names: tuple[str, ...]  # of the numbers
    outcomes: Outcomes | None = None
    of_others: int = 0  # the last so many numbers are labels: heard of neighbours, never of a creator itself
    number: Int64s | None = None  # [v] places among the nodes of training, NOBODY for others; None: all are

    @property
    def accounts(self) -> int:
        """Return a."""
        return len(self.values)

    def numbers(self, nodes: Rows) -> Numbers:
        """Return what is known of nodes [u]."""
        known = nodes < self.accounts
        values = np.zeros((len(nodes), self.values.shape[1]), np.float32)
        values[known] = self.values[nodes[known]]
        wide = np.broadcast_to(known[:, None], values.shape).copy()
        return Numbers(values=torch.from_numpy(values), known=torch.from_numpy(wide))

    def batch(
        self, rows: Rows, *, fanouts: tuple[int, int], seed: int, avoid: Rows | None = None
    ) -> CreatorBatch:
        """Return nodes [n] as a batch; `avoid` [n] names a neighbour each that is not looked at."""
        found = collated(self.graph, rows, fanouts=fanouts, seed=seed, avoid=avoid)
        places, nodes = found.arrays(), self.numbers(found.nodes)
        if self.of_others:
            # Draws never turn back, so that a creator itself can stand apart from itself as a neighbour.
            places["centre"] = np.arange(len(found.nodes), len(found.nodes) + len(rows))
            nodes = _beside(nodes, self._themselves(rows))
        number = rows if self.number is None else self.number[rows]
        return CreatorBatch(
            number=torch.from_numpy(number.astype(np.int64)),
            nodes=nodes,
            **{name: torch.from_numpy(one) for name, one in places.items()},
        )

    def _themselves(self, rows: Rows) -> Numbers:
        own = self.numbers(rows)
        own.values[:, -self.of_others :] = 0.0
        own.known[:, -self.of_others :] = False
        return own

    def digest(self) -> Mapping[str, str]:
        """Return the SHA-256 of all that is learned from, by what it is."""
        arrays = {"network": (self.graph.starts, self.graph.neighbour, self.graph.relation)}
        told: dict[str, tuple[npt.NDArray[np.generic], ...]] = {**arrays, "numbers": (self.values,)}
        if self.outcomes is not None:
            known = self.outcomes
            told["outcomes"] = (known.violation, known.reports, known.views)
        return {name: _sha256(parts) for name, parts in told.items()}


def _beside(first: Numbers, second: Numbers) -> Numbers:
    return Numbers(
        values=torch.cat([first.values, second.values]), known=torch.cat([first.known, second.known])
    )


def data_of(history: CreatorHistory, as_of: Micros, *, until: Micros | None = None) -> CreatorData:
    """Return network and numbers as of a time, and if `until` is given what became known until then."""
    return CreatorData(
        graph=history.graph(as_of),
        values=history.numbers(as_of),
        names=CREATOR_NUMBERS,
        outcomes=None if until is None else history.outcomes(as_of, until),
    )


def unseen(data: CreatorData, known: npt.NDArray[np.bool_]) -> CreatorData:
    """Return the data with the nodes [v] that are not `known` unknown to models that go by number."""
    return dataclasses.replace(data, number=np.where(known, np.arange(len(known)), NOBODY))


def _sha256(arrays: tuple[npt.NDArray[np.generic], ...]) -> str:
    digest = hashlib.sha256()
    for one in arrays:
        digest.update(repr((one.shape, one.dtype.str)).encode())
        digest.update(np.ascontiguousarray(one).data)
    return digest.hexdigest()
