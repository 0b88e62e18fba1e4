"""The heavy model on corpora that it never saw, beside the light one, after a short schedule.

    python benchmarks/heavy_left_out.py --data FOLDER [--corpora cad,edos] [--epochs 1]

Both models are trained once without any of these corpora and measured on the test fold of each, at
1 % harmful; so they are further from home than if each corpus were left out alone. The heavy model
gets a part of its usual schedule and stays in floats; the light one its whole schedule. Prints a
table and, as the last line, one JSON object.
"""

import argparse
import json
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from brief_tuning import briefly_tuned
from sievert.datasets.loading import load_folds
from sievert.features.content.fold import build_fold_tables
from sievert.measurement.paired import pr_auc_difference
from sievert.schema.taxonomy import HARM
from sievert.scoring.bundle import mixed
from sievert.training.design import design
from sievert.training.heavy_recipe import HeavyRecipe
from sievert.training.heavy_text import (
    examples,
    logits_of,
    reader_of,
)
from sievert.training.light_linear import LANGUAGE, learn
from sievert.training.light_recipe import LightRecipe
from sievert.training.recipes import read_recipe
from sievert.training.targets import head_weights, label_matrix

PREVALENCE = 0.01
HEAVY_COUNTS = 0.8  # what the first bundle gave it on the harm head


def heavy_scores(train, texts, *, epochs, tables):
    recipe = read_recipe(HeavyRecipe)
    heads = read_recipe(LightRecipe).heads
    reader = reader_of(train, recipe, tables)
    data = examples(train, heads, recipe)
    model = briefly_tuned(data, reader, recipe, heads, epochs=epochs, layers=recipe.layers)
    return logits_of(model, reader.ids(texts), reader.pad)[:, 0].astype(np.float64)


def light_scores(train, texts, *, tables):
    recipe = read_recipe(LightRecipe)
    labels = label_matrix(train, recipe.heads)
    corpora = np.array([row.corpus for row in train])
    weight = head_weights(corpora, labels, flatten=recipe.flatten, harmful_share=recipe.harmful_share)
    x = design([row.text for row in train], tables, bits=recipe.bits)
    learned = learn(x, (labels == 1).astype(np.float32), weight, recipe)
    return learned.outputs(design(texts, tables, bits=recipe.bits))[:, 0].astype(np.float64)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--corpora", default="cad,edos,davidson2017,toxigen_annotated")
    parser.add_argument("--epochs", type=float, default=1.0)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    tables = build_fold_tables()
    folded = load_folds(given.data, tables)
    train = [row for row in folded.pick("train") if row.language == LANGUAGE]
    test = [row for row in folded.pick("test") if row.language == LANGUAGE and HARM in row.labels]
    corpora = given.corpora.split(",")
    kept = [row for row in train if row.corpus not in corpora]
    asked = [row for row in test if row.corpus in corpora]
    texts = [row.text for row in asked]
    light = light_scores(kept, texts, tables=tables)
    heavy = heavy_scores(kept, texts, epochs=given.epochs, tables=tables)
    both = mixed(HEAVY_COUNTS, heavy, light)
    found = []
    for corpus in corpora:
        mine = np.array([row.corpus == corpus for row in asked])
        y = np.array([row.labels[HARM] == 1 for row in asked])[mine]
        together, _, more = pr_auc_difference(y, both[mine], light[mine], prevalence=PREVALENCE)
        a, b, difference = pr_auc_difference(y, heavy[mine], light[mine], prevalence=PREVALENCE)
        found.append(
            {
                "corpus": corpus,
                "harmful": int(y.sum()),
                "harmless": int((~y).sum()),
                "light": round(b, 4),
                "heavy": round(a, 4),
                "together": round(together, 4),
                "together_difference": [round(one, 4) for one in (more.value, more.low, more.high)],
                "difference": [round(one, 4) for one in (difference.value, difference.low, difference.high)],
            }
        )
        print(found[-1], flush=True)
    print("\n| corpus | light | heavy | difference | both |\n| --- | ---: | ---: | --- | ---: |")
    for one in found:
        value, low, high = one["difference"]
        print(
            f"| {one['corpus']} | {one['light']:.3f} | {one['heavy']:.3f} "
            f"| {value:+.3f} ({low:+.3f} to {high:+.3f}) | {one['together']:.3f} |"
        )
    print(json.dumps({"epochs": given.epochs, "prevalence": PREVALENCE, "corpora": found}))


if __name__ == "__main__":
    main()
