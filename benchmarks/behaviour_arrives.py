"""What the update network gains as people react: how many harmful posts it finds, by how many have seen them.

    python benchmarks/behaviour_arrives.py MATERIAL --run RUN       # --write keeps the result

RUN is the run folder of a rung that hears behaviour, such as `sievert train multimodal` or `sievert train
heavy` leaves behind. Each post of the test fold is looked at as it stood when it had at most so many
views: the latest of its snapshots then, among posts that more than so many people saw in all. The same model
scores it twice, with what the post's viewers did and with that masked; text, picture and the creator's
context stay. Told are average precision, the recall at a precision of 0.95 and that of the hundredth
that scores highest, at the natural prevalence of the posts that got so far; the gain with its interval;
and which part of their views by then was still to come. The last line is one JSON object.
"""

import argparse
import dataclasses
import json
from pathlib import Path

import msgspec
import numpy as np
import torch

from ladder import interval, rounded
from sievert.measurement.paired import pr_auc_difference
from sievert.measurement.ranking import measure_ranking
from sievert.training.material import read_material
from sievert.training.run_folder import read_run
from sievert.training.rung import train_rung
from sievert.training.rung_recipe import RungRecipe

RESULT = Path(__file__).parent / "results" / "behaviour_arrives.json"
VIEWS = (0, 10, 100, 1000)
LEAST_HARMFUL = 20
MOST = 0.2


def states(fold, views):
    """Return the latest snapshot of each post with at most so many views, where more came in all [p]."""
    columns = fold.columns
    order = np.lexsort((columns["as_of"], columns["post"]))
    order = order[columns["views"][order] <= views]
    post = columns["post"][order]
    last = order[np.append(post[1:] != post[:-1], True)] if len(order) else order
    return last[columns["views"][last] + columns["to_come"][last] > views]


def line_of(fold, rows, both, masked, resamples):
    y = fold.harmful()[rows]
    stands_for = fold.columns["stands_for"][rows].astype(float)
    prevalence = float(stands_for[y].sum() / stands_for.sum())
    reports = [
        measure_ranking(y, one[rows], prevalence=prevalence, resamples=resamples) for one in (both, masked)
    ]
    *_, gain = pr_auc_difference(
        y, both[rows], masked[rows], prevalence=prevalence, resamples=min(200, resamples)
    )
    seen, to_come = (fold.columns[name][rows][y] * stands_for[y] for name in ("views", "to_come"))
    return {
        "posts": len(rows),
        "harmful": int(y.sum()),
        "prevalence": round(prevalence, 5),
        "harmful_views_to_come": round(float(to_come.sum() / (seen + to_come).sum()), 3),
        "gain": {name: round(getattr(gain, name), 4) for name in ("value", "low", "high")},
        **{
            name: {
                "pr_auc": rounded(one.pr_auc),
                "recall_at_precision_95": rounded(one.recall_at_precision),
                "recall_at_1_percent": round(
                    next(point for point in one.at_shares if point.share == 0.01).recall.value, 3
                ),
            }
            for name, one in zip(("with", "without"), reports, strict=True)
        },
    }


def without_behaviour(fold):
    """Return a fold of whose posts nobody knows what their viewers did."""
    columns = {**fold.columns, "behaviour_known": np.zeros(len(fold), np.bool_)}
    return dataclasses.replace(fold, columns=columns)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("material", type=Path)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--resamples", type=int, default=300)
    parser.add_argument("--write", action="store_true", help="keep the result in benchmarks/results")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    material = read_material(chosen.material)
    recipe = msgspec.convert(read_run(chosen.run).config.recipe, RungRecipe)
    trained = train_rung(recipe, material, chosen.run, advance=lambda *_: None)
    fold = material.folds["test"]
    wanted = {views: states(fold, views) for views in VIEWS}
    rows = np.unique(np.concatenate(list(wanted.values())))
    both, masked = np.full(len(fold), np.nan), np.full(len(fold), np.nan)
    for scores, of in ((both, fold), (masked, without_behaviour(fold))):
        scores[rows], _ = trained.logits(of, rows)
    lines = {}
    for views, some in wanted.items():
        harmful = fold.harmful()[some].sum()
        if LEAST_HARMFUL <= harmful <= MOST * fold.columns["stands_for"][some].sum():
            lines[str(views)] = line_of(fold, some, both, masked, chosen.resamples)
    print(
        f"{'views':>8}{'posts':>9}{'harmful':>9}{'to come':>9}{'PR-AUC with behaviour':>26}{'without':>26}"
        f"{'gain':>26}{'recall at 0.95':>26}{'without':>26}"
    )
    for views, line in lines.items():
        cells = [
            line["with"]["pr_auc"],
            line["without"]["pr_auc"],
            line["gain"],
            line["with"]["recall_at_precision_95"],
            line["without"]["recall_at_precision_95"],
        ]
        print(
            f"{views:>8}{line['posts']:>9,}{line['harmful']:>9,}{line['harmful_views_to_come']:>9.0%}"
            + "".join(f"{interval(one):>26}" for one in cells)
        )
    result = {
        "recipe": recipe.name,
        "hears": list(recipe.hears),
        "by_views": lines,
    }
    if chosen.write:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
