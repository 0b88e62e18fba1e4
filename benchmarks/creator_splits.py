"""What benchmarks of creators on real networks share: labels of some teach, models learn, areas over splits."""

import dataclasses
import json
import math
import tempfile
from pathlib import Path

import numpy as np

from sievert.datasets.creator_history import Outcomes
from sievert.measurement.quantiles import student_quantile
from sievert.training.creator_data import CreatorData
from sievert.training.creator_recipe import CreatorsRecipe
from sievert.training.creators import train_creators
from sievert.training.recipes import read_recipe


def taught(graph, values, label, learns):
    """Return a network whose accounts have values [a, W], and labels [a] of those that are learned from [a]."""
    nothing = np.zeros(len(label))
    return CreatorData(
        graph=graph,
        values=values.astype(np.float32),
        names=tuple(map(str, range(values.shape[1]))),
        outcomes=Outcomes(
            violation=np.where(learns, label, np.nan).astype(np.float32), reports=nothing, views=nothing
        ),
    )


def heard_of_neighbours(data, label, learns):
    """Return the same where the labels [a] of those that are learned from [a] are heard of neighbours, never of oneself."""
    centred = np.where(learns, label - label[learns].mean(), 0.0)
    values = np.column_stack([data.values, centred, learns]).astype(np.float32)
    names = tuple(map(str, range(values.shape[1])))
    return dataclasses.replace(data, values=values, names=names, of_others=2)


def learned(overrides, data, seed):
    """Return the model of a recipe; of entries that are overridden twice, the last holds."""
    told = {one.partition("=")[0]: one for one in (*overrides, f"seed={seed}")}
    recipe = read_recipe(CreatorsRecipe, overrides=tuple(told.values()))
    with tempfile.TemporaryDirectory() as folder:
        return train_creators(recipe, data, Path(folder) / "run")[0]


def over_splits(values, test_per_train=1.0):
    """Return mean and 95 % interval over splits, by Student's t corrected for overlap (Nadeau and Bengio 2003)."""
    mean, n = float(np.mean(values)), len(values)
    if n < 2:
        return {"auc": round(mean, 4)}
    step = student_quantile(0.95, n - 1) * math.sqrt((1 / n + test_per_train) * float(np.var(values, ddof=1)))
    return {"auc": round(mean, 4), "low": round(mean - step, 4), "high": round(mean + step, 4)}


def keep(path, part, row, one):
    """Add what was found to the file of results; what stands there of other approaches stays."""
    kept = json.loads(path.read_text()) if path.exists() else {}
    kept.setdefault(part, {}).setdefault(row, {}).update(one)
    path.write_text(json.dumps(kept, indent=1) + "\n")
