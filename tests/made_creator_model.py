"""A model of creators at random weights, as a server loads it: its draws take every neighbour of small networks."""

import torch

from sievert.datasets.creator_history import CREATOR_NUMBERS
from sievert.features.creators.graph import RELATIONS
from sievert.models import build_of_creators
from sievert.models.batch import Numbers
from sievert.training.creator_graph import export_creators

FANOUTS = (8, 8)


def write_creator_model(folder, *, seed=1):
    """Write the files that `creators_model` names."""
    torch.manual_seed(seed)
    width = len(CREATOR_NUMBERS)
    config = {
        "features": width,
        "relations": len(RELATIONS),
        "vector": 6,
        "width": 8,
        "fanouts": FANOUTS,
    }
    model = build_of_creators("graphsage", config).eval()
    model.scale.fit(Numbers(values=torch.randn(50, width), known=torch.ones(50, width, dtype=torch.bool)))
    for weight in (model.inner.relation.weight, model.outer.relation.weight, model.outer.alone):
        torch.nn.init.normal_(weight)
    export_creators(model, CREATOR_NUMBERS, folder, seed=5)
    return folder
