"""The network of a platform as of a time: for each node its neighbours, one after the other in memory.

Nodes are accounts, and behind them groups and pages. As of a time there are the edges that were known by
then and had not ended. An edge is walked both ways, and each way is a relation of its own: to follow is not
to be followed. The same edge twice is one; a node is not its own neighbour; a node may have none.

What people do with an account that we have acted on tells of us and not of it, so edges that touch a node
after its removal are left out if its time is given.

Legend: e edges, v nodes, m entries: two for each edge.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from sievert.errors import InvalidField
from sievert.schema.clock import Micros
from sievert.schema.edge import EDGE_KINDS
from sievert.schema.history import Int8s, Int64s

FRIEND = EDGE_KINDS.index("friend")

RELATIONS = tuple(f"{kind} {way}" for kind in EDGE_KINDS for way in ("out", "in"))
"""What a neighbour may be to a node: `follow in` follows it. Friends are `friend out` both ways."""

FOREVER = np.iinfo(np.int64).max
"""When an edge ends that stands."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """Edges between numbered nodes, in any order."""

    source: Int64s  # [e]
    target: Int64s  # [e]
    kind: Int8s  # [e] place in EDGE_KINDS
    since: Int64s  # [e] from when on it is there and known
    until: Int64s  # [e] when it ended, FOREVER while it stands

    @classmethod
    def none(cls) -> "Edges":
        """Return that there are none."""
        nothing = np.zeros(0, np.int64)
        return cls(source=nothing, target=nothing, kind=np.zeros(0, np.int8), since=nothing, until=nothing)

    def __len__(self) -> int:
        """Return e."""
        return len(self.kind)

    def take(self, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> "Edges":
        """Return these edges."""
        return Edges(**{field.name: getattr(self, field.name)[rows] for field in dataclasses.fields(self)})


def together(*parts: Edges) -> Edges:
    """Return the edges of several parts as one."""
    return Edges(
        **{
            field.name: np.concatenate([getattr(part, field.name) for part in parts])
            for field in dataclasses.fields(Edges)
        }
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """Neighbours by node, in compressed sparse rows; within a node they rise, then their relations do."""

    starts: Int64s  # [v + 1]
    neighbour: npt.NDArray[np.int32]  # [m]
    relation: Int8s  # [m] place in RELATIONS

    @property
    def nodes(self) -> int:
        """Return v."""
        return len(self.starts) - 1

    def degrees(self) -> Int64s:
        """Return how many entries each node has [v]."""
        return np.diff(self.starts)


def graph_as_of(
    edges: Edges, as_of: Micros, *, nodes: int, removed_at: npt.NDArray[np.int64] | None = None
) -> Graph:
    """Return the network as of a time; of nodes with a time in `removed_at` [v], only edges before it.

    Raises:
        InvalidField: an edge names a node that is not below `nodes`, or there are more than memory can number.
    """
    _refuse_unless_numbered(edges, nodes)
    there = (edges.since <= as_of) & (edges.until > as_of) & (edges.source != edges.target)
    if removed_at is not None:
        there &= edges.since < np.minimum(removed_at[edges.source], removed_at[edges.target])
    rows = np.flatnonzero(there)
    source, target = edges.source[rows], edges.target[rows]
    out = 2 * edges.kind[rows].astype(np.int64)
    back = np.where(out == 2 * FRIEND, out, out + 1)
    # One number for each entry, so that sorting them lays the rows out and shows what repeats.
    entries = np.concatenate(
        [_entry(source, target, out, nodes=nodes), _entry(target, source, back, nodes=nodes)]
    )
    entries.sort()
    fresh = np.ones(len(entries), np.bool_)
    np.not_equal(entries[1:], entries[:-1], out=fresh[1:])
    entries = entries[fresh]
    relation = (entries % len(RELATIONS)).astype(np.int8)
    entries //= len(RELATIONS)
    neighbour = (entries % nodes).astype(np.int32)
    entries //= nodes
    return Graph(
        starts=np.searchsorted(entries, np.arange(nodes + 1)).astype(np.int64),
        neighbour=neighbour,
        relation=relation,
    )


def _entry(node: Int64s, neighbour: Int64s, relation: Int64s, *, nodes: int) -> Int64s:
    return (node * nodes + neighbour) * len(RELATIONS) + relation


def _refuse_unless_numbered(edges: Edges, nodes: int) -> None:
    if nodes >= 1 << 29:
        raise InvalidField(
            f"{nodes:,} nodes are too many.", remedy="Keep a network below 536 million nodes.", field="nodes"
        )
    for name in ("source", "target"):
        ends = getattr(edges, name)
        if len(ends) and not (ends.min() >= 0 and ends.max() < nodes):
            raise InvalidField(
                f"An edge's {name} is not one of {nodes:,} nodes.",
                remedy="Number nodes from 0, and say how many there are.",
                field=name,
            )
