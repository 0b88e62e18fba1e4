"""Models of creators in miniature, and batches of creators of whom each lacks something else."""

import dataclasses

import numpy as np
import torch

from made_graphs import random_graph
from sievert.features.creators.graph import RELATIONS
from sievert.features.creators.sampling import neighbourhoods
from sievert.models import CREATOR_MODELS, build_of_creators
from sievert.models.batch import Numbers
from sievert.models.creator_batch import CreatorBatch
from sievert.models.gcn import normalised

NODES, FEATURES = 40, 5
COMMON = {"features": FEATURES, "relations": len(RELATIONS), "vector": 6}
CREATOR_CONFIGS = {
    "id_embedding": {**COMMON, "creators": NODES},
    "gcn": {**COMMON, "creators": NODES, "width": 7},
    "graphsage": {**COMMON, "width": 8, "fanouts": (4, 3)},
}


def numbers_of_nodes(seed=0):
    """Numbers of all nodes, of which every third is not known at all."""
    torch.manual_seed(seed)
    known = torch.rand(NODES, FEATURES) < 0.8
    known[::3] = False
    return Numbers(values=torch.randn(NODES, FEATURES) * known, known=known)


def graph_with_loners(seed=0):
    """A network at random in which nobody knows the nodes from 30 on."""
    graph = random_graph(nodes=30, edges=90, seed=seed)
    ends = np.concatenate([graph.starts, np.full(NODES - 30, graph.starts[-1])])
    return dataclasses.replace(graph, starts=ends)


def creator_batch(*, rows=None, seed=0, fanouts=(4, 3), graph=None, numbers=None):
    """Creators, every fourth of whom nobody knew when the model learned."""
    graph = graph_with_loners(seed) if graph is None else graph
    rows = np.arange(NODES) if rows is None else np.asarray(rows)
    found = neighbourhoods(graph, rows, fanouts=fanouts, seed=seed)
    return CreatorBatch(
        number=torch.from_numpy(np.where(rows % 4 == 3, -1, rows)),
        centre=torch.from_numpy(rows),
        first=torch.from_numpy(found.first).long(),
        first_relation=torch.from_numpy(found.first_relation).long(),
        second=torch.from_numpy(found.second).long(),
        second_relation=torch.from_numpy(found.second_relation).long(),
        nodes=numbers_of_nodes(seed) if numbers is None else numbers,
    )


def tiny_of_creators(name, **changes):
    """A registered model of creators in miniature, that knows its network and has settled."""
    torch.manual_seed(7)
    model = build_of_creators(name, {**CREATOR_CONFIGS[name], **changes}).eval()
    if name == "gcn":
        graph = graph_with_loners()
        rows = torch.from_numpy(graph.starts), torch.from_numpy(graph.neighbour)
        model.know(normalised(*rows), numbers_of_nodes())
    model.settle()
    return model


__all__ = ["CREATOR_CONFIGS", "CREATOR_MODELS"]
