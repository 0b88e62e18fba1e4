"""Which neighbours a model looks at: a bounded draw for each node, and for each of these another one.

A hub may have a million neighbours; a draw touches as many of them as it takes (Floyd's algorithm, Bentley
and Floyd 1987), and a search finds where a neighbour stands that shall not be drawn. Where there are no more
than asked for, all are taken. Each draw depends on the seed, the node and how it was reached, and on
nothing else: a node's neighbourhood is the same in every batch (Hamilton et al. 2017 draw anew each time).

A draw never turns back: the second hop leaves out the node that it began at. So what is known of a creator
does not come back to it as what is known of its neighbours.

Legend: n nodes asked for, S and T neighbours drawn at the first and the second hop.
"""

import dataclasses

import numba
import numpy as np
import numpy.typing as npt

from sievert.features.creators.graph import Graph
from sievert.schema.history import Int8s, Int64s

NOTHING = -1
"""Stands where there is no neighbour, or nobody to leave out."""

Int32s = npt.NDArray[np.int32]
Keys = npt.NDArray[np.uint64]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Neighbourhoods:
    """What is looked at for n nodes."""

    centre: Int64s  # [n]
    first: Int32s  # [n, S] neighbours, NOTHING where there are no more
    first_relation: Int8s  # [n, S]
    second: Int32s  # [n, S, T] neighbours of these
    second_relation: Int8s  # [n, S, T]


def neighbourhoods(
    graph: Graph, centre: Int64s, *, fanouts: tuple[int, int], seed: int, avoid: Int64s | None = None
) -> Neighbourhoods:
    """Draw the two hops around nodes [n]; `avoid` [n] names a node each that is not among the neighbours."""
    count, (wide, deep) = len(centre), fanouts
    left_out = np.full(count, NOTHING, np.int64) if avoid is None else avoid
    first, first_relation = drawn(graph, centre, left_out, _keys(seed, centre), most=wide)
    inner = first.reshape(-1).astype(np.int64)
    # How a node was reached is part of its draw, so that two paths to it see different neighbours.
    reached = np.repeat(_keys(seed + 1, centre), wide) ^ _keys(seed, inner)
    second, second_relation = drawn(graph, inner, np.repeat(centre, wide), reached, most=deep)
    return Neighbourhoods(
        centre=centre,
        first=first,
        first_relation=first_relation,
        second=second.reshape(count, wide, deep),
        second_relation=second_relation.reshape(count, wide, deep),
    )


def drawn(graph: Graph, node: Int64s, avoid: Int64s, keys: Keys, *, most: int) -> tuple[Int32s, Int8s]:
    """Draw up to `most` entries of each node [q], none that leads to `avoid` [q]; return neighbours and relations.

    A node of `NOTHING` has none. `keys` [q] decide which are drawn; those drawn stand in no order.
    """
    neighbour = np.full((len(node), most), NOTHING, np.int32)
    relation = np.zeros((len(node), most), np.int8)
    _draw(graph.starts, graph.neighbour, graph.relation, node, avoid, keys, neighbour, relation)
    return neighbour, relation


def _keys(seed: int, node: Int64s) -> Keys:
    """Mix a seed and nodes [n] into keys [n], every bit of which hangs on every bit (SplitMix64, Steele et al. 2014)."""
    x = node.astype(np.uint64) + np.uint64(seed * 0x9E3779B97F4A7C15 & (1 << 64) - 1)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
    return x ^ (x >> np.uint64(31))


@numba.njit(nogil=True, cache=True)
def _draw(  # noqa: PLR0917, C901  a kernel takes its arrays one by one
    starts: Int64s,
    neighbours: Int32s,
    relations: Int8s,
    node: Int64s,
    avoid: Int64s,
    keys: Keys,
    neighbour: Int32s,
    relation: Int8s,
) -> None:
    most = neighbour.shape[1]
    chosen = np.empty(most, np.int64)
    for i in range(node.shape[0]):
        if node[i] < 0:
            continue
        begin, end = starts[node[i]], starts[node[i] + 1]
        skip, skipped = end, 0
        if avoid[i] >= 0:
            skip = begin + np.searchsorted(neighbours[begin:end], avoid[i])
            skipped = np.searchsorted(neighbours[begin:end], avoid[i], side="right") - (skip - begin)
        size = end - begin - skipped
        taken = min(size, most)
        if size <= most:
            for j in range(taken):
                chosen[j] = j
        else:
            key = keys[i]
            for j in range(taken):
                last = size - most + j
                key = _next(key)
                place = np.int64(key % np.uint64(last + 1))
                for before in range(j):
                    if chosen[before] == place:
                        place = last
                        break
                chosen[j] = place
        for j in range(taken):
            entry = begin + chosen[j]
            if entry >= skip:
                entry += skipped
            neighbour[i, j] = neighbours[entry]
            relation[i, j] = relations[entry]


@numba.njit(nogil=True, inline="always")
def _next(key: np.uint64) -> np.uint64:
    """Return the number that follows in a sequence of mixed numbers."""
    x = key + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
