"""What would make the heavy model cheaper, and what that costs in quality.

    python benchmarks/cheaper_heavy.py --data FOLDER --heavy FOLDER [--epochs 1]

Reading the beginning of a text only, with the trained model as it is; and students of fewer layers, which
learn from labels and, as the light model does, from what the trained one thinks. All in bytes, rounded after
training. Quality is PR-AUC of harm at 1 % and recall at 0.5 % removed, on a sample of the calibration
fold, heavy model alone; cost is process CPU time a text, reading without disguises apart. Prints a
table and, as the last line, one JSON object.
"""

import argparse
import dataclasses
import json
import os
import random
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import msgspec
import numpy as np
import torch

from brief_tuning import briefly_tuned
from sievert.datasets.loading import load_folds
from sievert.features.content.fold import build_fold_tables
from sievert.measurement.prevalence import natural_weights
from sievert.measurement.ranking import average_precision
from sievert.schema.taxonomy import HARM
from sievert.scoring.bundle import default_bundle_path, load_bundle
from sievert.scoring.heavy import HeavyModel
from sievert.training.export_onnx import export
from sievert.training.heavy_recipe import HeavyRecipe
from sievert.training.heavy_text import (
    examples,
    logits_of,
    reader_of,
)
from sievert.training.joining import HeavyFolder, many_heavy_logits
from sievert.training.light_linear import LANGUAGE
from sievert.training.light_recipe import LightRecipe
from sievert.training.recipes import read_recipe
from sievert.training.rounded import with_rounding

PREVALENCE, REMOVED = 0.01, 0.005
TOKENS = 64
CHARACTERS = (None, 240, 160, 120, 80)  # of the beginning; None reads everything, in windows
LAYERS = (4, 3, 2)
HEARS = 0.5  # what the trained model thinks counts beside the labels
SHOWN = 600  # texts that show a layer what its inputs are like


def load(folder, content):
    made = msgspec.json.decode((folder / "made.json").read_bytes(), type=HeavyFolder)
    tokenizer = (folder / "tokenizer.json").read_bytes()
    return HeavyModel(content, tokenizer, tokens=TOKENS, symbols=made.symbols, words=made.words)


def student(layers, data, reader, recipe, heads, epochs):
    """Train a model of so many layers on soft labels; return it rounded, as ONNX."""
    model = briefly_tuned(data, reader, recipe, heads, epochs=epochs, layers=layers)
    shown = reader.ids(random.Random(recipe.seed).sample(data.texts, SHOWN))  # noqa: S311 - repeatable
    with_rounding(model.encoder, lambda: logits_of(model, shown, reader.pad))
    return export(model, longest=512)


def softened(data, model, bundle):
    """Mix what the trained model thinks into the labels."""
    logits = many_heavy_logits(model, data.texts, bundle)
    thinks = 1.0 / (1.0 + np.exp(-logits))
    return dataclasses.replace(data, y=(HEARS * thinks + (1.0 - HEARS) * data.y).astype(np.float32))


def measured(name, model, read, y):
    """Return a line of the table; the clock is read around the model alone."""
    model.logits_as_read(read[:64])
    before = time.process_time()
    logits = np.concatenate([model.logits_as_read(read[at : at + 512]) for at in range(0, len(read), 512)])
    seconds = time.process_time() - before
    weight = natural_weights(y, prevalence=PREVALENCE)
    order = np.argsort(-logits[:, 0], kind="stable")
    removed = np.cumsum(weight[order]) <= REMOVED * weight.sum()
    line = {
        "model": name,
        "pr_auc": round(average_precision(y, logits[:, 0], weight), 4),
        "recall": round(float(y[order][removed].sum() / y.sum()), 4),
        "core_us_per_text": round(seconds / len(read) * 1e6),
    }
    print(line, flush=True)
    return line


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--heavy", type=Path, required=True)
    parser.add_argument("--epochs", type=float, default=1.0)
    parser.add_argument("--texts", type=int, default=6000)
    parser.add_argument("--layers", default=",".join(map(str, LAYERS)))
    given = parser.parse_args()
    torch.set_num_threads(1)
    tables = build_fold_tables()
    bundle = load_bundle(default_bundle_path())
    folded = load_folds(given.data, tables)
    train = [row for row in folded.pick("train") if row.language == LANGUAGE]
    held = [row for row in folded.pick("calibration") if row.language == LANGUAGE and HARM in row.labels]
    held = random.Random(5).sample(held, min(given.texts, len(held)))  # noqa: S311 - repeatable
    y = np.array([row.labels[HARM] == 1 for row in held])
    whole = (given.heavy / "heavy-ptq.onnx").read_bytes()
    trained = load(given.heavy, whole)
    read = trained.read([row.text for row in held], bundle.fold)
    lines = []
    for most in CHARACTERS:
        name = f"6 layers, {f'first {most} characters' if most else 'whole text'}"
        lines.append(measured(name, trained, [one[:most] for one in read], y))
    recipe = read_recipe(HeavyRecipe)
    heads = read_recipe(LightRecipe).heads
    reader = reader_of(train, recipe, tables)
    data = softened(examples(train, heads, recipe), trained, bundle) if given.layers else None
    for layers in map(int, filter(None, given.layers.split(","))):
        content = student(layers, data, reader, recipe, heads, given.epochs)
        lines.append(measured(f"{layers} layers, whole text", load(given.heavy, content), read, y))
    print("\n| model | PR-AUC | recall at 0.5 % removed | core-us a text |\n| --- | ---: | ---: | ---: |")
    for line in lines:
        print(
            f"| {line['model']} | {line['pr_auc']:.3f} | {line['recall']:.3f} | {line['core_us_per_text']:,} |"
        )
    print(json.dumps({"epochs": given.epochs, "prevalence": PREVALENCE, "texts": len(held), "models": lines}))


if __name__ == "__main__":
    main()
