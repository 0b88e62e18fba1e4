"""How many labels a rung needs, with and without what is learned from posts that nobody labelled.

    sievert simulate --out WORLD --creators 100000 --days 20 --seed 20270601 --texts FILE
    sievert data material --history WORLD --texts FILE --out MATERIAL
    python benchmarks/label_efficiency.py MATERIAL      # --write keeps the result

Late fusion learns from 200, 1,000, 5,000 and all labelled posts of the learning fold, each draw as balanced
as the fold is; of all but the last three draws, by other seeds. Four ways, on the same draws:

    plain        the text encoder as it comes, the image encoder from random weights
    pretrained   both as `sievert train pretrain` left them, that learned on the material's unlabelled posts
    reports      plain, and unlabelled posts teach by soft labels from reports (`--reports` says how)
    both

So that it can be run on processors, text encoders are frozen: what each says of a text is asked once and
kept, and the image encoder and what joins all learn. Pretraining itself tunes the last layers of its text
encoder, once for all draws. Small draws learn for more epochs, so that no run has fewer updates than
`--updates`; what chooses the weights is the time to calibrate on.

Measured is average precision at natural prevalence on the test fold, one snapshot a post: all harmful
posts, and `--test-posts` in all. Intervals resample posts, of the first seed's run; beside the mean over
seeds stands how far seeds lie apart. "better" compares with plain on the same draw, paired.

It needs what `ladder.py` needs, and neither a history nor a network. `--encoder` names a folder where the
package of the text encoder is not installed; `ladder_parcel.py` carries both. The last line is one JSON
object.
"""

import argparse
import dataclasses
import functools
import json
import os
import tempfile
import time
from pathlib import Path

RESULT = Path(__file__).parent / "results" / "label_efficiency.json"
PLOT = RESULT.with_suffix(".svg")
WAYS = ("plain", "pretrained", "reports", "both")
HEARS = ("pooled", "pictures", "behaviour", "context")
FEW = 10_000
"""Labels below which a draw is drawn by several seeds."""


def parsed():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("material", type=Path)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="entries of the rung to change")
    parser.add_argument("--sizes", default="200,1000,5000,all", help="how many labels, with commas between")
    parser.add_argument("--ways", default=",".join(WAYS), help="some of the ways, with commas between")
    parser.add_argument("--seeds", type=int, default=3, help=f"draws of each size below {FEW:,}")
    parser.add_argument("--reports", default="soft", choices=("soft", "noisy-then-clean"))
    parser.add_argument("--pretrained", type=Path, help="a run of `sievert train pretrain`, if there is one")
    parser.add_argument("--pretrain", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--updates", type=int, default=150, help="of each run, at least")
    parser.add_argument("--test-posts", type=int, default=8000)
    parser.add_argument("--unlabelled", type=int, default=12_000, help="posts that reports may speak of")
    parser.add_argument("--runs", type=Path, help="where runs are kept and go on")
    parser.add_argument("--encoder", help="a folder with the text encoder, in place of the package")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="by default a GPU if there is one")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--resamples", type=int, default=300)
    parser.add_argument(
        "--beside",
        type=Path,
        metavar="FILE",
        help="tell the sizes too that another run on this material printed",
    )
    parser.add_argument("--write", action="store_true", help="keep the result in benchmarks/results")
    return parser.parse_args()


options = parsed() if __name__ == "__main__" else None
if options is not None and options.device == "cpu":
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # before torch looks for one

import msgspec
import numpy as np
import torch

from ladder import rounded
from sievert.measurement.paired import pr_auc_difference
from sievert.measurement.prevalence import natural_weights
from sievert.measurement.ranking import average_precision, measure_ranking
from sievert.models.towers import TextTower, text_tower
from sievert.training.first_towers import begin_with_towers
from sievert.training.line_plot import plot
from sievert.training.material import MaterialFold, read_material
from sievert.training.pooling import pooled_of
from sievert.training.pretrain_recipe import PretrainRecipe
from sievert.training.pretraining import pretrain
from sievert.training.recipes import read_recipe, recipe_file
from sievert.training.rung import drawn_rows, train_rung
from sievert.training.rung_recipe import RungRecipe
from sievert.training.unlabelled import read_unlabelled


def read_by(tower, material, spare, asked, advance):
    """Return material and unlabelled posts with what a text tower says of the texts that are asked about."""
    tower = tower.eval().to(torch.accelerator.current_accelerator() or torch.device("cpu"))

    def read(name, fold):
        pooled = pooled_of(tower, fold, asked=asked[name], advance=functools.partial(advance, f"read {name}"))
        return MaterialFold({**fold.columns, "pooled": pooled}, fold.pictures, fold.described)

    folds = {name: read(name, fold) for name, fold in material.folds.items()}
    return (
        dataclasses.replace(material, folds=folds),
        dataclasses.replace(spare, posts=read("unlabelled", spare.posts)),
    )


def fewer(spare, most):
    """Return unlabelled posts of which at most so many, evenly over time, are learned from."""
    rows = spare.rows(held=False)
    held = np.ones(len(spare), np.bool_)
    held[rows[np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(np.int64))]] = False
    return dataclasses.replace(spare, columns={**spare.columns, "held": held})


def asked_of(material, spare, measured, recipe):
    """Return which contents of each fold any run looks at."""
    rows = {
        "learn": np.arange(len(material.folds["learn"])),
        "calibrate": drawn_rows(material.folds["calibrate"], recipe.watched),
        "test": measured.rows,
    }
    asked = {
        name: np.unique(material.folds[name].columns["content"][some]).astype(np.int64)
        for name, some in rows.items()
    }
    return {**asked, "unlabelled": spare.rows(held=False)}


class Measured:
    """Posts of the test fold, and how scores do on them."""

    def __init__(self, fold, most, resamples):
        self.rows, self.resamples = drawn_rows(fold, most), resamples
        self.y = fold.harmful()[self.rows]
        self.prevalence = fold.described.populations["test"].prevalence

    def pr_auc(self, scores):
        weight = natural_weights(self.y, prevalence=self.prevalence)
        return average_precision(self.y, scores, weight)

    def interval(self, scores):
        found = measure_ranking(self.y, scores, prevalence=self.prevalence, resamples=self.resamples)
        return rounded(found.pr_auc)

    def better(self, scores, than):
        *_, gain = pr_auc_difference(
            self.y, scores, than, prevalence=self.prevalence, resamples=min(200, self.resamples)
        )
        return rounded(gain)


def rung_of(chosen):
    """Return the recipe of late fusion with what the command line changes."""
    encoder = [f"text.encoder={chosen.encoder}"] if chosen.encoder else []
    return read_recipe(RungRecipe, recipe_file("late-fusion"), [*encoder, *chosen.overrides])


def recipe_for(way, size, seed, posts, chosen, pretrained):
    """Return the recipe of one run."""
    base = rung_of(chosen)
    changed = msgspec.structs.replace
    epochs = max(base.learning.epochs, chosen.updates * base.batch / posts)
    reports = changed(base.reports, use=chosen.reports) if way in ("reports", "both") else base.reports
    learning = changed(
        base.learning, epochs=epochs, evaluate_every=max(1, round(epochs * posts / base.batch / 4))
    )
    return changed(
        base,
        name=f"{way}-{size}-{seed}",
        seed=base.seed + seed,
        hears=HEARS,
        posts=None if size == "all" else int(size),
        towers=str(pretrained) if way in ("pretrained", "both") else "",
        learning=learning,
        reports=reports,
    )


def sizes_of(chosen, posts):
    """Yield the sizes with how many posts and seeds each has; sizes that are more than all are left out."""
    for size in chosen.sizes.split(","):
        many = posts if size == "all" else int(size)
        if size == "all" or many < posts:
            yield size, many, chosen.seeds if many < FEW else 1


class Ways:
    """What each way learns from: its tower's words for texts, and where its image tower comes from."""

    def __init__(self, material, spare, asked, chosen, runs, advance):
        recipe = rung_of(chosen)
        encoder = chosen.encoder or recipe.text.encoder
        self.names = [way for way in WAYS if way in chosen.ways.split(",")]
        self.pretrained, self.matching, self.given = chosen.pretrained or runs / "pretrain", None, {}
        tower = TextTower(text_tower(encoder, layers=recipe.text.layers))
        if {"plain", "reports"} & set(self.names):
            self.given |= dict.fromkeys(("plain", "reports"), read_by(tower, material, spare, asked, advance))
        if {"pretrained", "both"} & set(self.names):
            how = read_recipe(PretrainRecipe, overrides=[f"text.encoder={encoder}", *chosen.pretrain])
            if chosen.pretrained is None:
                result = pretrain(how, material, self.pretrained, advance=advance)
                self.matching = {name: round(one.value or 0.0, 4) for name, one in result.metrics.items()}
                self.matching["core_seconds"] = round(result.cost.core_seconds)
                self.matching["gpu_seconds"] = round(result.cost.gpu_seconds)
                print(f"pretrained: {self.matching}", flush=True)
            begin_with_towers(tower, self.pretrained)
            self.given |= dict.fromkeys(
                ("pretrained", "both"), read_by(tower, material, spare, asked, advance)
            )


def curve(ways, measured, chosen, runs, advance, *, posts):
    """Train and measure every run; return a line for each size and way."""
    lines, first = [], {}
    for size, many, seeds in sizes_of(chosen, posts):
        for way in ways.names:
            material, spare = ways.given[way]
            values = []
            for seed in range(seeds):
                recipe = recipe_for(way, size, seed, many, chosen, ways.pretrained)
                trained = train_rung(recipe, material, runs / recipe.name, spare=spare, advance=advance)
                scores, _ = trained.logits(material.folds["test"], measured.rows)
                values.append(measured.pr_auc(scores))
                first.setdefault((size, way), scores)
            line = {
                "labels": many,
                "size": size,
                "way": way,
                "mean": round(float(np.mean(values)), 4),
                "seeds": [round(value, 4) for value in values],
                "pr_auc": measured.interval(first[size, way]),
            }
            if way != "plain" and (size, "plain") in first:
                line["better"] = measured.better(first[size, way], first[size, "plain"])
            lines.append(line)
            print(f"{size} labels, {way}: {line['mean']} {line['seeds']}", flush=True)
    return lines


def main(chosen):
    torch.set_num_threads(chosen.threads)
    began = time.monotonic()
    material = read_material(chosen.material)
    spare = fewer(read_unlabelled(material), chosen.unlabelled)

    def advance(stage, done, of):
        if done == of and stage != "learn":
            print(f"{time.monotonic() - began:7.0f} s  {stage}: {of:,}", flush=True)

    measured = Measured(material.folds["test"], chosen.test_posts, chosen.resamples)
    recipe = rung_of(chosen)
    with tempfile.TemporaryDirectory() as scratch:
        runs = chosen.runs or Path(scratch)
        asked = asked_of(material, spare, measured, recipe)
        ways = Ways(material, spare, asked, chosen, runs, advance)
        posts = int(material.folds["learn"].columns["post"].max()) + 1
        lines = curve(ways, measured, chosen, runs, advance, posts=posts)
    device = torch.accelerator.current_accelerator() or torch.device("cpu")
    result = {
        "material": {
            "settings": material.described.settings,
            "unlabelled": msgspec.to_builtins(material.described.unlabelled),
            "learn": msgspec.to_builtins(material.described.populations["learn"]),
            "prevalence": round(measured.prevalence, 6),
        },
        "overrides": [*chosen.overrides, *chosen.pretrain],
        "reports": chosen.reports,
        "updates": chosen.updates,
        "device": torch.cuda.get_device_name() if device.type == "cuda" else f"{chosen.threads} threads",
        "torch": torch.__version__,
        "measured_posts": len(measured.rows),
        "measured_harmful": int(measured.y.sum()),
        "pretraining": ways.matching,
        "lines": lines,
        "wall_seconds": round(time.monotonic() - began),
    }
    if chosen.beside:
        other = json.loads(chosen.beside.read_text().splitlines()[-1])
        if any(other[name] != result[name] for name in ("material", "overrides", "measured_posts")):
            raise SystemExit(f"{chosen.beside} is of other material, or of other recipes.")
        lines[:0] = other["lines"]
    show(lines, ways.names)
    if chosen.write:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")
        PLOT.write_text(drawn(lines, ways.names))
    print(json.dumps(result))


def show(lines, ways):
    print(f"\n{'labels':>8}" + "".join(f"{way:>44}" for way in ways))
    for size in dict.fromkeys(line["size"] for line in lines):
        cells = []
        for line in lines:
            if line["size"] == size:
                spread = f" seeds {min(line['seeds']):.3f}-{max(line['seeds']):.3f}"
                cells.append(
                    f"{line['mean']:.3f} ({span(line['pr_auc'])})" + spread * (len(line["seeds"]) > 1)
                )
        print(f"{size:>8}" + "".join(f"{cell:>44}" for cell in cells))
    for line in lines:
        if "better" in line:
            gain = line["better"]
            print(f"{line['size']} labels: {line['way']} is better by {gain['value']:+.3f} ({span(gain)})")


def span(one):
    return "no interval" if one["low"] is None else f"{one['low']:.3f} to {one['high']:.3f}"


def drawn(lines, ways):
    """Return the curves as SVG."""
    curves = {
        way: (
            [line["labels"] for line in lines if line["way"] == way],
            [line["mean"] for line in lines if line["way"] == way],
        )
        for way in ways
    }
    return plot(
        title="labels and what they reach", across="labels", down="PR-AUC", lines=curves, logs=(True, False)
    )


if __name__ == "__main__":
    main(options)
