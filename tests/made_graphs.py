"""Small made-up networks, and slow ways to say what the fast ones must say."""

import itertools

import numpy as np

from sievert.features.creators.graph import FOREVER, FRIEND, Edges, graph_as_of

MASK = (1 << 64) - 1


def edges_of(pairs, *, kind=0, since=0, until=FOREVER):
    """Edges between these pairs of nodes; kind, since and until are one for all, or one for each."""
    ends = np.array(pairs, np.int64).reshape(-1, 2)
    whole = {name: np.broadcast_to(one, len(ends)) for name, one in locals().items() if name in FIELDS}
    return Edges(
        source=ends[:, 0],
        target=ends[:, 1],
        kind=whole["kind"].astype(np.int8),
        since=whole["since"].astype(np.int64),
        until=whole["until"].astype(np.int64),
    )


FIELDS = ("kind", "since", "until")


def random_edges(rng, *, nodes, edges):
    """Edges at random, with repeats and loops among them, that begin and end from 0 to 100."""
    since = rng.integers(100, size=edges)
    return edges_of(
        rng.integers(nodes, size=(edges, 2)),
        kind=rng.integers(5, size=edges),
        since=since,
        until=np.where(rng.random(edges) < 0.3, since + rng.integers(50, size=edges), FOREVER),
    )


def random_graph(*, nodes, edges, seed=0):
    """The network of edges at random, as of the time when all stand that have not ended."""
    return graph_as_of(random_edges(np.random.default_rng(seed), nodes=nodes, edges=edges), 200, nodes=nodes)


def slow_neighbours(edges, as_of):
    """Return {node: [(neighbour, relation)]} as of a time, edge by edge."""
    found = {}
    for source, target, kind, since, until in zip(
        *(getattr(edges, name).tolist() for name in ("source", "target", *FIELDS)), strict=True
    ):
        if since <= as_of < until and source != target:
            found.setdefault(source, set()).add((target, 2 * kind))
            found.setdefault(target, set()).add((source, 2 * kind + (kind != FRIEND)))
    return {node: sorted(entries) for node, entries in found.items()}


def listed(graph):
    """Return {node: [(neighbour, relation)]} of a graph; nodes without neighbours are left out."""
    ends = graph.starts.tolist()
    entries = list(zip(graph.neighbour.tolist(), graph.relation.tolist(), strict=True))
    return {node: entries[a:b] for node, (a, b) in enumerate(itertools.pairwise(ends)) if b > a}


def mixed(x):
    """SplitMix64's finaliser, as Steele et al. print it."""
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & MASK
    x = (x ^ x >> 27) * 0x94D049BB133111EB & MASK
    return x ^ x >> 31


def slow_draw(entries, key, *, most, avoid=-1):
    """Draw up to `most` entries by Floyd's algorithm, as he writes it: with a set, from what may be drawn."""
    allowed = [entry for entry in entries if entry[0] != avoid]
    if len(allowed) <= most:
        return allowed
    chosen = []
    for last in range(len(allowed) - most, len(allowed)):
        key = mixed(key + 0x9E3779B97F4A7C15 & MASK)
        place = key % (last + 1)
        chosen.append(last if place in chosen else place)
    return [allowed[place] for place in chosen]


def slow_key(seed, node):
    """The key of a node's draw."""
    return mixed((node & MASK) + (seed * 0x9E3779B97F4A7C15 & MASK) & MASK)
