"""The heavy model on corpora that it never saw, beside the light one, after a short schedule.

    python benchmarks/heavy_leave_one_out.py --data FOLDER [--corpora cad,edos] [--epochs 0.2]

For each corpus both models are trained without it and measured on its test fold, at 1 % harmful. The
heavy model gets a fraction of its usual schedule and stays in 32-bit floats; the light one its whole
schedule. Prints a table and, as the last line, one JSON object.
"""

import argparse
import json
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from sievert.datasets.loading import load_folds
from sievert.features.content.fold import build_fold_tables
from sievert.measurement.paired import pr_auc_difference
from sievert.schema.taxonomy import HARM
from sievert.training.design import design
from sievert.training.encoder import HeavyText
from sievert.training.heavy_text import (
    default_heavy_recipe_path,
    examples,
    fit,
    load_heavy_recipe,
    logits_of,
    reader_of,
)
from sievert.training.light_linear import LANGUAGE, learn
from sievert.training.recipe import default_recipe_path, load_recipe
from sievert.training.targets import head_weights, label_matrix

PREVALENCE = 0.01


def heavy_scores(train, texts, *, epochs, tables):
    recipe = load_heavy_recipe(default_heavy_recipe_path())
    torch.manual_seed(recipe.seed)
    heads = load_recipe(default_recipe_path()).heads
    reader = reader_of(train, recipe, tables)
    model = HeavyText(recipe.encoder, len(heads), layers=recipe.layers)

    def advance(stage, step, total):
        if step % 100 == 0:
            print(f"  {stage} {step} of {total}", flush=True)

    data = examples(train, heads, recipe)
    fit(model, data, reader, recipe, epochs=epochs, rate=recipe.rate, advance=advance)
    return logits_of(model, reader.ids(texts), reader.pad)[:, 0].astype(np.float64)


def light_scores(train, texts, *, tables):
    recipe = load_recipe(default_recipe_path())
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
    parser.add_argument("--epochs", type=float, default=0.2)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    tables = build_fold_tables()
    folded = load_folds(given.data, tables)
    train = [row for row in folded.pick("train") if row.language == LANGUAGE]
    test = [row for row in folded.pick("test") if row.language == LANGUAGE and HARM in row.labels]
    found = []
    for corpus in given.corpora.split(","):
        kept = [row for row in train if row.corpus != corpus]
        mine = [row for row in test if row.corpus == corpus]
        texts = [row.text for row in mine]
        y = np.array([row.labels[HARM] == 1 for row in mine])
        light = light_scores(kept, texts, tables=tables)
        heavy = heavy_scores(kept, texts, epochs=given.epochs, tables=tables)
        a, b, difference = pr_auc_difference(y, heavy, light, prevalence=PREVALENCE)
        found.append(
            {
                "corpus": corpus,
                "harmful": int(y.sum()),
                "harmless": int((~y).sum()),
                "light": round(b, 4),
                "heavy": round(a, 4),
                "difference": [round(one, 4) for one in (difference.value, difference.low, difference.high)],
            }
        )
        print(found[-1], flush=True)
    print("\n| corpus | light, left out | heavy, left out | difference |\n| --- | ---: | ---: | --- |")
    for one in found:
        value, low, high = one["difference"]
        print(
            f"| {one['corpus']} | {one['light']:.3f} | {one['heavy']:.3f} | {value:+.3f} ({low:+.3f} to {high:+.3f}) |"
        )
    print(json.dumps({"epochs": given.epochs, "prevalence": PREVALENCE, "corpora": found}))


if __name__ == "__main__":
    main()
