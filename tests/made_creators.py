"""Creators made up for learning: communities of whom one breaks rules, and numbers that tell a little."""

import dataclasses

import numpy as np

from made_graphs import edges_of
from sievert.datasets.creator_history import Outcomes
from sievert.features.creators.graph import graph_as_of
from sievert.training.creator_data import CreatorData


def made_up_creators(*, creators=600, seed=0, homophily=0.9, telling=0.3, judged=1.0, share=0.3):
    """Creators joined to six others each, mostly of their own kind, whose first number tells a little of it."""
    rng = np.random.default_rng(seed)
    bad = rng.random(creators) < share
    source = np.repeat(np.arange(creators), 6)
    alike = rng.random(len(source)) < homophily
    groups = [np.flatnonzero(~bad), np.flatnonzero(bad)]
    kin = np.array([rng.choice(groups[int(bad[one])]) for one in source])
    target = np.where(alike, kin, rng.integers(creators, size=len(source)))
    values = rng.normal(size=(creators, 4)).astype(np.float32)
    values[:, 0] += telling * bad
    violation = np.where(rng.random(creators) < judged, bad, np.nan).astype(np.float32)
    views = rng.integers(0, 500, creators).astype(np.float64)
    reports = rng.binomial(views.astype(int), np.where(bad, 0.03, 0.003)).astype(np.float64)
    data = CreatorData(
        graph=graph_as_of(edges_of(np.stack([source, target], axis=1)), 1, nodes=creators),
        values=values,
        names=("telling", "a", "b", "c"),
        outcomes=Outcomes(violation=violation, reports=reports, views=views),
    )
    return data, bad


def told_of_neighbours(data):
    """The same, with the outcomes as numbers that are heard of neighbours only."""
    known = np.isfinite(data.outcomes.violation)
    label = np.where(known, data.outcomes.violation - 0.5, 0.0)
    values = np.column_stack([data.values, label, known]).astype(np.float32)
    return dataclasses.replace(data, values=values, names=(*data.names, "label", "labelled"), of_others=2)
