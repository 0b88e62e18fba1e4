"""The ladder: every model learns from the same material, and is measured on the same posts of a later time.

    sievert simulate --out WORLD --creators 150000 --days 20 --seed 20271120 --texts FILE
    sievert data material --history WORLD --texts FILE --out MATERIAL
    python benchmarks/ladder.py MATERIAL            # an hour or two on two cores; --write keeps the result

One snapshot of each post is drawn evenly from its moments (created, first report, milestones of views), so
rows are independent and a post with many moments counts once. Measured are average precision and the
recall at a precision of 0.95, at natural prevalence, of posts and of impressions: a post then weighs the
views that came after the snapshot, up to 10,000, with nothing done. Intervals are those of
`measurement.ranking`; a recall that the sample could not prove is not told.

Then sources of the multimodal model and of the heavy one that ships are switched off, in training and in
testing, one by one: text, picture, the words of pictures, behaviour, the creator's context, the weights by
views (every post alike), the forecast of views (their literal number so far in its place, the first
formula). And two are added: pretrained towers, and unlabelled posts with soft labels from reports. Of the
multimodal model all that an update network alone hears is switched off there, on the latents of the full
model, beside one that hears all; with --anew the whole model learns anew.

It needs torch, transformers, accelerate, NumPy, safetensors, msgspec and PyYAML, and neither a history nor
a network: it runs wherever the material is. `--encoder` names a folder where the package of the text
encoder is not installed. Runs go on where they were stopped if `--runs` names their folder. Costs are core
seconds, or seconds of the GPU where there is one. Rungs may be shared out among machines: each keeps its
result and its scores (`--keep`), and the last one tells them all (`--beside`). The last line is one JSON
object.
"""

import argparse
import itertools
import json
import os
import tempfile
import time
from pathlib import Path

RESULT = Path(__file__).parent / "results" / "ladder.json"
KEPT = "ladder.json"
CONTENT = ("tokens", "pictures", "spoken", "text_encoding", "words_encoding")
OFF = {
    "text": ("tokens", "spoken", "text_encoding", "words_encoding"),
    "picture": ("pictures",),
    "words in pictures": ("words_encoding",),
    "behaviour": ("behaviour",),
    "creator context": ("context",),
    "both": ("behaviour", "context"),
}
"""What each source is made of, as parts of a batch."""
IN_UPDATE = ("behaviour", "creator context", "both")
WEIGHINGS = {"views in the loss": "even", "forecast in the loss": "literal"}
UPDATE_LEARNING = {"epochs": 8.0, "rate": 0.001}
LEVELLED = ("multimodal", "heavy")
"""Rungs whose sources are switched off."""


def parsed():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("material", type=Path)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="entries of all recipes to change")
    parser.add_argument(
        "--runs", type=Path, help="where runs are kept and go on; by default they are not kept"
    )
    parser.add_argument("--rungs", default="", help="some of the rungs, with commas between; all by default")
    parser.add_argument("--encoder", help="a folder with the text encoder, in place of the package")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="by default a GPU if there is one")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--resamples", type=int, default=300)
    parser.add_argument("--pretrain", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--anew", action="store_true", help="let the whole model learn anew for each source")
    parser.add_argument("--no-sources", action="store_true", help="switch nothing off")
    parser.add_argument(
        "--sources-of", default=",".join(LEVELLED), help="rungs whose sources are switched off"
    )
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the result and scores here too")
    parser.add_argument(
        "--beside", type=Path, metavar="FOLDER", help="tell what another machine kept of the same material"
    )
    parser.add_argument("--write", action="store_true", help="keep the result in benchmarks/results")
    return parser.parse_args()


options = parsed() if __name__ == "__main__" else None
if options is not None and options.device == "cpu":
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # before torch looks for one

import msgspec
import numpy as np
import torch

from sievert.measurement.paired import pr_auc_difference
from sievert.measurement.prevalence import natural_weights
from sievert.measurement.ranking import average_precision
from sievert.training.material import UNLABELLED, read_material
from sievert.training.measured_fold import MeasuredFold
from sievert.training.pooling import with_pooled
from sievert.training.pretrain_recipe import PretrainRecipe
from sievert.training.pretraining import pretrain
from sievert.training.recipes import read_recipe, recipe_file
from sievert.training.rung import latents_of, train_rung, train_update_rung
from sievert.training.rung_recipe import RUNGS, RungRecipe


class Lines(MeasuredFold):
    """Rows of the test fold, and how scores do on them, as lines of the result."""

    def line(self, scores):
        """Return how the scores of all rows do."""
        found = self.of(scores)
        posts, views = found.posts, found.views
        return {
            "pr_auc": rounded(posts.pr_auc),
            "recall_at_precision_95": rounded(posts.recall_at_precision),
            "by_views": {
                "pr_auc": rounded(views.pr_auc),
                "recall_at_precision_95": rounded(views.recall_at_precision),
            },
            "when_created_pr_auc": round(found.created, 4),
            "recall_at_1_percent": round(
                next(one for one in posts.at_shares if one.share == 0.01).recall.value, 3
            ),
            "by_form": self.by_form(scores[np.searchsorted(self.rows, self.drawn)]),
            "provable_recall_at_precision_95": round(posts.provable_recall, 3),
        }

    def by_form(self, drawn):
        """Return average precision of each form of harm against all that is harmless."""
        forms = self.fold.described.settings["forms"]
        form = self.fold.columns["form"][self.fold.columns["content"][self.drawn]]
        weight = natural_weights(self.y, prevalence=self.prevalence)
        found = {}
        for place, name in enumerate(forms):
            bad = self.y & (form == place)
            if bad.any():
                some = bad | ~self.y
                found[name] = {
                    "posts": int(bad.sum()),
                    "average_precision": round(average_precision(bad[some], drawn[some], weight[some]), 4),
                }
        return found

    def better_by(self, first, second):
        """Return by how much the PR-AUC of the first scores is above the second's."""
        one, other = (scores[np.searchsorted(self.rows, self.drawn)] for scores in (first, second))
        *_, gain = pr_auc_difference(
            self.y, one, other, prevalence=self.prevalence, resamples=min(200, self.resamples)
        )
        return {name: round(getattr(gain, name), 4) for name in ("value", "low", "high")}


def rounded(estimate):
    return {
        name: None if (value := getattr(estimate, name)) is None else round(value, 4)
        for name in ("value", "low", "high")
    }


def recipe_of(name, chosen):
    """Return the recipe of a rung with what the command line changes."""
    encoder = [f"text.encoder={chosen.encoder}"] if chosen.encoder else []
    return read_recipe(RungRecipe, recipe_file(name), [*encoder, *chosen.overrides])


def line_of(trained, measured):
    """Return a rung's scores, and its line of the result."""
    scores, seconds = trained.logits(measured.fold, measured.rows)
    cost = trained.result.cost
    return scores, {
        **measured.line(scores),
        "parameters": sum(one.numel() for one in trained.model.parameters()),
        "updates": trained.result.update,
        "kept": trained.result.kept,
        "calibration_pr_auc": rounded(trained.result.metrics["pr_auc"])["value"],
        "training_core_seconds": round(cost.core_seconds, 1),
        "training_gpu_seconds": round(cost.gpu_seconds, 1),
        "microseconds_a_snapshot": round(1e6 * seconds / len(measured.rows), 1),
    }


def climb(material, chosen, runs, advance):
    """Train and measure every rung; return lines, scores and what was trained by name."""
    measured = Lines(material.folds["test"], "test", resamples=chosen.resamples)
    lines, scores, rungs = {}, {}, {}
    for name in chosen.rungs.split(",") if chosen.rungs else RUNGS:
        recipe = recipe_of(name, chosen)
        if "pooled" in recipe.hears:
            with_pooled(material, recipe.text.encoder, advance=advance)
        rungs[name] = train_rung(recipe, material, runs / name, advance=advance)
        scores[name], lines[name] = line_of(rungs[name], measured)
        print(f"{name}: PR-AUC {lines[name]['pr_auc']['value']}", flush=True)
    return measured, lines, scores, rungs


def changes_of(recipe):
    """Return by what is off how a recipe changes: what it hears, or how it weighs."""
    found = {}
    for what, parts in OFF.items():
        hears = tuple(one for one in recipe.hears if one not in parts)
        if what == "words in pictures" and "tokens" in recipe.hears:
            found[what] = {"words": False}
        elif hears != recipe.hears and set(hears) & {*CONTENT, "behaviour", "context"}:
            found[what] = {"hears": hears}
    for what, how in WEIGHINGS.items():
        found[what] = {"loss": msgspec.structs.replace(recipe.loss, weighing=how)}
    return found


def additions(recipe, chosen, runs, material, advance):
    """Return by what is added how a recipe changes: pretrained towers, soft labels from reports.

    A rung that hears what a bundle says has neither: its text encoder is the bundle's, and nobody asked
    the bundle about unlabelled posts.
    """
    if "tokens" not in recipe.hears or not (material.folder / UNLABELLED).is_file():
        return {}
    encoder = [f"text.encoder={chosen.encoder}"] if chosen.encoder else []
    how = read_recipe(PretrainRecipe, None, [*encoder, *chosen.pretrain])
    pretrain(how, material, runs / "pretrain", advance=advance)
    return {
        "pretraining": {"towers": str(runs / "pretrain")},
        "report labels": {"reports": msgspec.structs.replace(recipe.reports, use="soft")},
    }


def sources(name, material, chosen, runs, advance, measured, full, trained):
    """Switch sources of a rung off, one by one, and add others; return lines by what differs."""
    recipe = recipe_of(name, chosen)
    changed = msgspec.structs.replace
    whole = changes_of(recipe)
    kept = {}
    if name == "multimodal" and not chosen.anew:
        kept = {what: whole.pop(what) for what in (*IN_UPDATE, *WEIGHINGS)}
    lines = {}

    def measure(what, change):
        run = f"{name}-{what.replace(' ', '-')}"
        one = train_rung(changed(recipe, name=run, **change), material, runs / run, advance=advance)
        return line_of(one, measured)

    for what, change in whole.items():
        scores, line = measure(what, change)
        lines[f"without {what}"] = {"whole": True, "better_with_it": measured.better_by(full, scores), **line}
        print(f"{name} without {what}: PR-AUC {line['pr_auc']['value']}", flush=True)
    for what, change in additions(recipe, chosen, runs, material, advance).items():
        scores, line = measure(what, change)
        lines[f"with {what}"] = {"whole": True, "better_with_it": measured.better_by(scores, full), **line}
        print(f"{name} with {what}: PR-AUC {line['pr_auc']['value']}", flush=True)
    if kept:
        latents = {fold: latents_of(trained.model, one, recipe) for fold, one in material.folds.items()}
        base = changed(recipe, name="update-all", learning=changed(recipe.learning, **UPDATE_LEARNING))
        everything = train_update_rung(base, material, latents, runs / base.name, advance=advance)
        control, line = line_of(everything, measured)
        lines["nothing off, on kept latents"] = {"whole": False, **line}
        for what, change in kept.items():
            one = changed(base, name=f"update-{what.replace(' ', '-')}", **change)
            scores, line = line_of(
                train_update_rung(one, material, latents, runs / one.name, advance=advance), measured
            )
            gain = measured.better_by(control, scores)
            lines[f"without {what}"] = {"whole": False, "better_with_it": gain, **line}
            print(f"{name} without {what}, update alone: PR-AUC {line['pr_auc']['value']}", flush=True)
    return lines


def add(result, scores, folder):
    """Add what another machine kept of the same material."""
    other = json.loads((folder / KEPT).read_text())
    if other["material"] != result["material"]:
        raise SystemExit(f"ladder.py: {folder} holds a result of other material; name one of this material.")
    for key in ("rungs", "overrides", "wall_seconds", "sources"):
        result[key] = {**other[key], **result[key]}
    for name in other["rungs"]:
        if name not in scores:
            scores[name] = np.load(folder / f"{name}.npy", allow_pickle=False)
    result["rungs"] = {name: result["rungs"][name] for name in RUNGS if name in result["rungs"]}


def settle(result, scores, measured, chosen):
    """Add what others found and the steps between rungs, and keep all of it where the command line says."""
    if chosen.beside:
        add(result, scores, chosen.beside)
    names = [name for name in RUNGS if name in result["rungs"]]
    result["steps"] = {
        f"{upper} over {lower}": measured.better_by(scores[upper], scores[lower])
        for lower, upper in itertools.pairwise(names)
        if upper != "light"
    }
    if chosen.keep:
        chosen.keep.mkdir(parents=True, exist_ok=True)
        (chosen.keep / KEPT).write_text(json.dumps(result, indent=1) + "\n")
        for name, one in scores.items():
            np.save(chosen.keep / f"{name}.npy", one.astype(np.float32))


def show(result):
    tables = [("rung", result["rungs"]), *result["sources"].items()]
    for title, lines in tables:
        print(
            f"\n{title:>30}{'PR-AUC':>24}{'by views':>24}{'recall at 0.95':>24}{'by views':>24}"
            f"{'created':>9}{'train s':>9}{'us':>9}"
        )
        for name, line in lines.items():
            cells = [
                interval(one[key])
                for key in ("pr_auc", "recall_at_precision_95")
                for one in (line, line["by_views"])
            ]
            seconds = line["training_gpu_seconds"] or line["training_core_seconds"]
            print(
                f"{name:>30}"
                + "".join(f"{cell:>24}" for cell in cells)
                + f"{line['when_created_pr_auc']:>9.3f}"
                f"{seconds:>9,.0f}{line['microseconds_a_snapshot']:>9,.0f}"
            )
    for name, line in result["rungs"].items():
        print(name, {form: one["average_precision"] for form, one in line["by_form"].items()})
    for name, lines in result["sources"].items():
        for what, line in lines.items():
            if "better_with_it" in line:
                print(f"{name}, {what}: better with it by {interval(line['better_with_it'])}")


def interval(one):
    return (
        "not provable" if one["value"] is None else f"{one['value']:.3f} ({one['low']:.3f}-{one['high']:.3f})"
    )


def main(chosen):
    torch.set_num_threads(chosen.threads)
    began = time.monotonic()
    material = read_material(chosen.material)

    def advance(stage, done, of):
        if done == of:
            print(f"{time.monotonic() - began:7.0f} s  {stage}: {of:,}", flush=True)

    with tempfile.TemporaryDirectory() as scratch:
        runs = chosen.runs or Path(scratch)
        measured, lines, scores, rungs = climb(material, chosen, runs, advance)
        without = {}
        for name in chosen.sources_of.split(","):
            if name in rungs and not chosen.no_sources:
                full = scores[name]
                without[name] = sources(name, material, chosen, runs, advance, measured, full, rungs[name])
    device = torch.accelerator.current_accelerator() or torch.device("cpu")
    on = torch.cuda.get_device_name() if device.type == "cuda" else f"{chosen.threads} threads"
    for of in (lines, *without.values()):
        of.update({name: line | {"device": on} for name, line in of.items()})
    result = {
        "material": {
            "history": material.described.history,
            "settings": material.described.settings,
            "populations": {
                name: msgspec.to_builtins(one) | {"prevalence": round(one.prevalence, 6)}
                for name, one in material.described.populations.items()
            },
        },
        "overrides": {on: [*chosen.overrides, *chosen.pretrain]},
        "torch": torch.__version__,
        "measured_posts": len(measured.drawn),
        "prevalence_by_views": round(measured.view_prevalence, 6),
        "rungs": lines,
        "sources": without,
        "wall_seconds": {on: round(time.monotonic() - began)},
    }
    settle(result, scores, measured, chosen)
    show(result)
    for name, gain in result["steps"].items():
        print(f"{name}: {interval(gain)}")
    if chosen.write:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main(options)
