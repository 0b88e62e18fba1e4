"""What it brings that the heavy model sees disguised texts while it learns, and that it reads without them.

    python benchmarks/augmentation.py --data FOLDER [--epochs 0.5] [--only with|without]

Two short fine-tunings, with the recipe's share of disguised texts and with none. Of each, in floats and
alone: recall of the same harmful texts of the calibration fold under each trick, on every word of four
letters or more, read as in service and read as written; at the score at which it removes 0.5 % of traffic.
Prints a table and, as the last line, one JSON object.
"""

import argparse
import json
import os
import random
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import msgspec
import numpy as np
import torch

from brief_tuning import briefly_tuned
from sievert.datasets.loading import load_folds
from sievert.features.content.fold import build_fold_tables
from sievert.measurement.prevalence import natural_weights
from sievert.schema.taxonomy import HARM
from sievert.training.heavy_recipe import HeavyRecipe
from sievert.training.heavy_text import (
    examples,
    logits_of,
    reader_of,
)
from sievert.training.light_linear import LANGUAGE
from sievert.training.light_recipe import LightRecipe
from sievert.training.noise import TRICKS, disguise
from sievert.training.recipes import read_recipe

PREVALENCE, REMOVED = 0.01, 0.005


def operating_point(logits, y):
    """Return the logit from which 0.5 % of traffic is removed."""
    order = np.argsort(-logits, kind="stable")
    above = np.cumsum(natural_weights(y, prevalence=PREVALENCE)[order])
    return logits[order][np.searchsorted(above / above[-1], REMOVED)]


def measured(name, share, train, held, chosen, epochs):
    """Fine-tune with a share of disguised texts; return recall by trick, read and as written."""
    recipe = msgspec.structs.replace(read_recipe(HeavyRecipe), disguised=share)
    heads = read_recipe(LightRecipe).heads
    reader = reader_of(train, recipe, build_fold_tables())
    model = briefly_tuned(examples(train, heads, recipe), reader, recipe, heads, epochs=epochs)

    def harm(texts, *, read):
        if read:
            ids = reader.ids(texts)
        else:
            ids = reader.tokenizer(texts, truncation=True, max_length=reader.tokens)["input_ids"]
        return logits_of(model, ids, reader.pad)[:, 0]

    y = np.array([row.labels[HARM] == 1 for row in held])
    cut = operating_point(harm([row.text for row in held], read=True), y)
    rng = random.Random(3)  # noqa: S311 - repeatable
    found = {}
    for trick in ("none", *TRICKS):
        texts = [text if trick == "none" else disguise(text, trick, rng) for text in chosen]
        found[trick] = {
            way: round(float((harm(texts, read=way == "read") >= cut).mean()), 4)
            for way in ("read", "written")
        }
        print(name, trick, found[trick], flush=True)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--epochs", type=float, default=0.5)
    parser.add_argument("--only", choices=["with", "without"])
    given = parser.parse_args()
    torch.set_num_threads(1)
    folded = load_folds(given.data, build_fold_tables())
    train = [row for row in folded.pick("train") if row.language == LANGUAGE]
    held = [row for row in folded.pick("calibration") if row.language == LANGUAGE and HARM in row.labels]
    rng = random.Random(4)  # noqa: S311 - repeatable
    held = rng.sample(held, min(5000, len(held)))
    harmful = [row.text for row in held if row.labels[HARM] == 1]
    chosen = rng.sample(harmful, min(500, len(harmful)))
    share = read_recipe(HeavyRecipe).disguised
    shares = {"with": share, "without": 0.0}
    found = {
        name: measured(name, shares[name], train, held, chosen, given.epochs)
        for name in ([given.only] if given.only else shares)
    }
    print(
        "\n| trick | " + " | ".join(f"{name}, {way}" for name in found for way in ("read", "written")) + " |"
    )
    print("| --- |" + " ---: |" * (2 * len(found)))
    for trick in ("none", *TRICKS):
        cells = [f"{found[name][trick][way]:.1%}" for name in found for way in ("read", "written")]
        print(f"| {trick} | " + " | ".join(cells) + " |")
    print(json.dumps({"epochs": given.epochs, "texts": len(chosen), "recall": found}))


if __name__ == "__main__":
    main()
