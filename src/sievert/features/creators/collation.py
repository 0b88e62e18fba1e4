"""What a model of creators takes, as arrays: neighbourhoods that name each node once.

Legend: n creators, u nodes that are looked at, S and T neighbours at the two hops.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from sievert.features.creators.graph import Graph
from sievert.features.creators.sampling import NOTHING, neighbourhoods
from sievert.schema.history import Int64s


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Collated:
    """Neighbourhoods of n creators, whose neighbours are places among u nodes."""

    nodes: Int64s  # [u] nodes of the network, rising
    centre: Int64s  # [n] places among these
    first: Int64s  # [n, S] places, NOTHING where there are no more
    first_relation: Int64s  # [n, S]
    second: Int64s  # [n, S, T]
    second_relation: Int64s  # [n, S, T]

    def arrays(self) -> dict[str, npt.NDArray[np.int64]]:
        """Return all arrays but the nodes, by name."""
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name != "nodes"
        }


def collated(
    graph: Graph, centre: Int64s, *, fanouts: tuple[int, int], seed: int, avoid: Int64s | None = None
) -> Collated:
    """Draw the neighbourhoods of nodes [n] and name each node once; see `sampling.neighbourhoods`."""
    found = neighbourhoods(graph, centre, fanouts=fanouts, seed=seed, avoid=avoid)
    parts = (centre, found.first.reshape(-1), found.second.reshape(-1))
    named = np.concatenate(parts).astype(np.int64)
    nodes, place = np.unique(named, return_inverse=True)
    if len(nodes) and nodes[0] == NOTHING:
        nodes, place = nodes[1:], place - 1
    n, m = len(centre), found.first.size
    return Collated(
        nodes=nodes,
        centre=place[:n],
        first=place[n : n + m].reshape(found.first.shape),
        first_relation=found.first_relation.astype(np.int64),
        second=place[n + m :].reshape(found.second.shape),
        second_relation=found.second_relation.astype(np.int64),
    )
