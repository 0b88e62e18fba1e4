"""The Twitch graphs of shared/data/graph (MUSAE, Rozemberczki et al. 2019; GPL-3.0): friendships of streamers.

The label is the streamer's own mature-content flag, a stand-in for a violation. Features are ids, up to
3,170 of them, that all languages share, so that what was learned on one can be tested on another.
"""

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from sievert.features.creators.graph import FOREVER, FRIEND, Edges, Graph, graph_as_of

LANGUAGES = ("DE", "ES", "FR", "RU", "ZHTW")
FEATURES = 3170


@dataclasses.dataclass(frozen=True)
class Twitch:
    """One language: v streamers."""

    language: str
    graph: Graph
    features: sp.csr_matrix  # [v, FEATURES] of 0 and 1
    mature: np.ndarray  # [v] of 0 and 1


def read_twitch(folder, language):
    with (Path(folder) / f"{language}_target.csv").open(encoding="utf-8") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: int(row["new_id"]))
    mature = np.array([row["mature"] == "True" for row in rows], np.float32)
    with (Path(folder) / f"{language}_edges.csv").open(encoding="utf-8") as file:
        pairs = np.array([[int(row["from"]), int(row["to"])] for row in csv.DictReader(file)], np.int64)
    said = json.loads((Path(folder) / f"{language}.json").read_text())
    node = np.concatenate([np.full(len(ids), int(at)) for at, ids in said.items()]).astype(np.int64)
    ids = np.concatenate([np.array(one, np.int64) for one in said.values()]).astype(np.int64)
    features = sp.csr_matrix((np.ones(len(ids), np.float32), (node, ids)), shape=(len(rows), FEATURES))
    features.data[:] = 1.0
    edges = Edges(
        source=pairs[:, 0],
        target=pairs[:, 1],
        kind=np.full(len(pairs), FRIEND, np.int8),
        since=np.zeros(len(pairs), np.int64),
        until=np.full(len(pairs), FOREVER),
    )
    return Twitch(language, graph_as_of(edges, 0, nodes=len(rows)), features, mature)
