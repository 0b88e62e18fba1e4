"""The rungs of the ladder on real memes: what text and picture say apart and together, where nobody made them up.

    python benchmarks/memes.py --data FOLDER             # a quarter of an hour on two cores; --write keeps the result

FOLDER holds harmeme_train.jsonl.gz and the pictures that it names: 3,011 memes with the words that stand in
them, 35 % of them harmful. They are for experiments: no bundle learns from them, and none of them is
shown. There are no people here who react, so that behaviour and creators are not heard, and no traffic:
memes are weighed as if one in ten harmed, so figures compare models and say nothing about a platform.

Memes whose words nearly repeat each other stay on one side. Each of several splits learns from three fifths,
chooses its best weights on a seventh, and is measured on the rest; a figure is the mean over splits, with
the least and the most beside it. The last line is one JSON object.
"""

import argparse
import contextlib
import gzip
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ladder import rounded
from sievert.datasets.near_duplicates import near_duplicate_groups
from sievert.features.content.pixels import pixels_of
from sievert.features.content.thumbnail import THUMBNAIL_FEATURES, thumbnail_features
from sievert.features.content.tokens import STATS
from sievert.measurement.ranking import measure_ranking
from sievert.schema.batch import TextColumn
from sievert.schema.taxonomy import HARM, LABELLED
from sievert.scoring.bundle import default_bundle_path, load_bundle
from sievert.scoring.cascade import score
from sievert.scoring.update import logits_of
from sievert.training.contents import Drawn, contents_of
from sievert.training.gathering import GatherSettings
from sievert.training.material import FOLDS, Described, Population, read_material
from sievert.training.material_files import write_described, write_fold
from sievert.training.material_sources import ENCODER, contents_by
from sievert.training.pooling import with_pooled
from sievert.training.recipes import read_recipe, recipe_file
from sievert.training.rung import drawn_rows, train_rung
from sievert.training.rung_recipe import RungRecipe
from sievert.training.world_pictures import Picture

RESULT = Path(__file__).parent / "results" / "memes.json"
SHARES = (0.6, 0.74)
SIDE = 96
PREVALENCE = 0.1
RUNGS = {
    "words and numbers of a thumbnail, logistic": ("logistic", "[pooled, facts, thumbnail]"),
    "words alone": ("late-fusion", "[tokens]"),
    "picture alone": ("late-fusion", "[pictures]"),
    "max-pool": ("max-pool", "[tokens, pictures]"),
    "late fusion": ("late-fusion", "[tokens, pictures]"),
    "multimodal": ("multimodal", "[tokens, pictures]"),
}


class Meme:
    """One meme as models take it."""

    def __init__(self, line, folder, place):
        told = json.loads(line)
        with Image.open(folder.parent / told["image"]) as image:
            image.load()
            self.picture = Picture(
                pixels=pixels_of(image, SIDE),
                thumbnail=np.array(thumbnail_features(image), np.float16),
                words=" ".join(told["text"].split()),
            )
        self.harmful, self.place = told["harmful"], place


class OnlyTexts:
    """What `contents_of` asks of a history: the memes have no text beside their pictures."""

    def __init__(self, memes):
        self.memes = memes
        self.posts = self.text = self

    def texts(self, rows):
        """Return no text [c]."""
        return [""] * len(rows)


def folds_of(memes, bundle, seed):
    """Return to which fold each meme belongs [n]; those with nearly the same words go together."""
    column = TextColumn.of([one.picture.words for one in memes])
    group = near_duplicate_groups([column], bundle.fold, ties=[str(one.place) for one in memes])
    rng = np.random.default_rng(seed)
    at = rng.random(len(memes))[np.unique(group, return_inverse=True)[1]]
    return np.searchsorted(SHARES, at, side="right")


def write_material(memes, fold_of, folder, bundle):
    """Write memes as material."""
    rows = [np.flatnonzero(fold_of == fold) for fold in range(len(FOLDS))]
    every = np.concatenate(rows)

    def draw(_, asked):
        return Drawn(
            which=np.arange(len(asked), dtype=np.int32),
            pictures=[memes[row].picture for row in asked.tolist()],
        )

    made = contents_of(
        OnlyTexts(memes),
        rows,
        contents_by(bundle, ENCODER, pooled=False),
        GatherSettings(side=SIDE),
        draw,
        advance=lambda *_: None,
    )
    populations = {}
    for fold, name in enumerate(FOLDS):
        harmful = np.array([memes[row].harmful for row in rows[fold].tolist()], np.float32)
        write_fold(folder, name, {**columns_of(harmful, rows[fold]), **made[fold].columns})
        populations[name] = Population(
            posts=round(float(harmful.sum()) / PREVALENCE),
            harmful=int(harmful.sum()),
            left_out=0,
            left_out_harmful=0,
            taken=len(harmful),
            taken_harmful=int(harmful.sum()),
            alike=0,
        )
    write_described(
        folder,
        Described(
            history="memes",
            settings={"forms": [], "memes": len(every)},
            heads=(HARM, *LABELLED),
            numbers={"behaviour": (), "context": (), "thumbnail": THUMBNAIL_FEATURES, "facts": STATS},
            grams=1 << GatherSettings().gram_bits,
            side=SIDE,
            encoder="",
            first=dict.fromkeys(FOLDS, 0),
            end=1,
            populations=populations,
            causes=("created",),
        ),
    )


def columns_of(harmful, rows):
    """Return the snapshots of memes: each one, once, of which nobody knows more than whether it harms."""
    many = len(harmful)
    labels = np.full((many, 1 + len(LABELLED)), np.nan, np.float32)
    labels[:, 0] = harmful
    nothing, one = np.zeros(many, np.float32), np.ones(many, np.float32)
    return {
        "labels": labels,
        "row": rows.astype(np.int64),
        "form": np.full(many, -1, np.int16),
        "content": np.arange(many, dtype=np.int32),
        "post": np.arange(many, dtype=np.int32),
        "as_of": np.zeros(many, np.int64),
        "cause": np.zeros(many, np.int8),
        "drawn": np.ones(many, np.bool_),
        "weight": one,
        "stands_for": one,
        "behaviour": np.zeros((many, 0), np.float16),
        "behaviour_known": np.zeros(many, np.bool_),
        "context": np.zeros((many, 0), np.float16),
        "context_known": np.zeros(many, np.bool_),
        **dict.fromkeys(("views", "hours", "reports", "report_views"), nothing),
        "forecast": one,
        "to_come": one,
    }


def measured(harmful, scores, resamples):
    found = measure_ranking(harmful, scores, prevalence=PREVALENCE, resamples=resamples)
    return {"pr_auc": rounded(found.pr_auc), "recall_at_precision_95": rounded(found.recall_at_precision)}


def split(memes, seed, chosen, bundle):
    """Learn and measure every rung on one split; return lines by name."""
    fold_of = folds_of(memes, bundle, seed)
    lines = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_material(memes, fold_of, folder, bundle)
        material = read_material(folder)
        test = material.folds["test"]
        rows = drawn_rows(test)
        harmful = test.harmful()[rows]
        words = [memes[row].picture.words for row in test.columns["row"].tolist()]
        spoken = score(bundle, TextColumn.of(words), heavy_share=1.0)
        lines["the shipped bundle, by words, which learned from none"] = measured(
            harmful, logits_of(spoken.harm), chosen.resamples
        )
        with_pooled(material, ENCODER, advance=lambda *_: None)
        for name, (rung, hears) in RUNGS.items():
            weighing = "loss.weighing=even"
            recipe = read_recipe(
                RungRecipe, recipe_file(rung), [f"hears={hears}", weighing, f"seed={seed}", *chosen.overrides]
            )
            trained = train_rung(
                recipe, material, folder / "runs" / name.replace(" ", "-"), advance=lambda *_: None
            )
            scores, _ = trained.logits(test, rows)
            lines[name] = measured(harmful, scores, chosen.resamples)
            print(f"split {seed}, {name}: {lines[name]['pr_auc']['value']}", flush=True)
    return lines


def parsed():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="entries of all recipes to change")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--resamples", type=int, default=300)
    parser.add_argument("--write", action="store_true", help="keep the result in benchmarks/results")
    return parser.parse_args()


def main():
    chosen = parsed()
    torch.set_num_threads(chosen.threads)
    began = time.process_time()
    bundle = load_bundle(default_bundle_path())
    memes = []
    with gzip.open(chosen.data / "harmeme_train.jsonl.gz", "rt") as lines:
        for place, line in enumerate(lines):
            with contextlib.suppress(FileNotFoundError):
                memes.append(Meme(line, chosen.data, place))
    splits = [split(memes, 1 + number, chosen, bundle) for number in range(chosen.splits)]
    names = list(splits[0])
    values = {name: [one[name]["pr_auc"]["value"] for one in splits] for name in names}
    print(f"\n{'':>56}{'PR-AUC':>9}{'least':>9}{'most':>9}   interval of the first split")
    for name in names:
        first = splits[0][name]["pr_auc"]
        print(
            f"{name:>56}{np.mean(values[name]):>9.3f}{min(values[name]):>9.3f}{max(values[name]):>9.3f}"
            f"   {first['low']:.3f} to {first['high']:.3f}"
        )
    result = {
        "memes": len(memes),
        "harmful": round(float(np.mean([one.harmful for one in memes])), 4),
        "overrides": chosen.overrides,
        "mean_pr_auc": {name: round(float(np.mean(values[name])), 4) for name in names},
        "splits": splits,
        "core_seconds": round(time.process_time() - began),
    }
    if chosen.write:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
