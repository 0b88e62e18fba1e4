"""The Bitcoin trust networks of shared/data/graph (Kumar et al. 2016; GPL-3.0): who rated whom on a market, and how.

Of a pair of users the files keep one rating's sign, and neither who of the two gave it nor its weight or time. A
time is drawn for each: `KNOWN` for those that are heard, `LATER` for those that are asked for.
"""

import csv
import dataclasses
from pathlib import Path

import numpy as np

from sievert.features.creators.graph import FOREVER, FRIEND, Edges
from sievert.schema.edge import EDGE_KINDS

MARKETS = ("otc", "alpha")
KNOWN, LATER = 0, 1
DISTRUST = EDGE_KINDS.index("interaction")  # trust is FRIEND: both are walked both ways


@dataclasses.dataclass(frozen=True)
class Ratings:
    """One market: a users, e pairs of them."""

    market: str
    users: int
    edges: Edges  # [e] of FRIEND and DISTRUST


def read_bitcoin(folder, market, seed):
    """Read a market, and draw which half of its ratings is known and which comes later."""
    with (Path(folder) / f"bitcoin_{market}.csv").open(encoding="utf-8") as file:
        pairs_of = [(row["id1"], row["id2"], row["sign"]) for row in csv.DictReader(file)]
    # Of some pairs (43 and 58) no sign is kept.
    rows = [(int(one), int(other), float(sign) > 0) for one, other, sign in pairs_of if sign]
    rng, pairs = np.random.default_rng(seed), np.array([row[:2] for row in rows], np.int64)
    # Numbers of users say nothing of who rated whom, so that a coin turns the edge.
    pairs = np.where((rng.random(len(pairs)) < 0.5)[:, None], pairs, pairs[:, ::-1])
    trusts = np.array([row[2] for row in rows])
    edges = Edges(
        source=pairs[:, 0],
        target=pairs[:, 1],
        kind=np.where(trusts, FRIEND, DISTRUST).astype(np.int8),
        since=np.where(rng.random(len(pairs)) < 0.5, KNOWN, LATER).astype(np.int64),
        until=np.full(len(pairs), FOREVER),
    )
    return Ratings(market, int(pairs.max()) + 1, edges)
