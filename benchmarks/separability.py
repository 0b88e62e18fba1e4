"""What each kind of model can and cannot see in a simulated world, and what they see together.

    python benchmarks/separability.py                     # 240,000 posts in 24 days
    python benchmarks/separability.py --posts 40000 --days 20

A world is drawn, and every post is judged once, six hours after it came, by what had been received by
then; posts that hardly anybody saw are among them. Models learn from the first two thirds of the time
and are measured on the rest, without what nearly repeats a post they learnt from: on all harmful posts
and a sample of harmless ones, at the prevalence that there is. Nothing is chosen on the test fold. The last line is one JSON object; it is written to benchmarks/results/separability.json
with --write.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from platform_view import lived, view_of
from sievert.datasets.folds import FOLDS
from sievert.datasets.splits import random_split_gap, split_by_time
from sievert.features.content.fold import build_fold_tables
from sievert.measurement.paired import pr_auc_difference
from sievert.measurement.prevalence import natural_weights
from sievert.measurement.ranking import average_precision, measure_ranking
from sievert.schema.clock import DAY, HOUR
from sievert.simulation.settings import WorldSettings
from single_models import TextModel, learnt_together

RESULTS = Path(__file__).parent / "results" / "separability.json"
HOURS = 6
HARMLESS = 25_000
"""Of harmless posts at most so many are drawn to learn from, and as many to measure on."""
SINGLE = ("text", "image", "behaviour")
BUDGET = 0.01
"""Share of all posts that people could look at."""


def measure(settings, *, days, seed=0, resamples=400):
    """Return what each model finds in a world, as numbers."""
    rng = np.random.default_rng(seed)
    world = lived(settings, days=days, hours=HOURS, seed=seed)
    fold, group = split(world, settings, days=days)
    test = fold == len(FOLDS) - 1
    prevalence = float(world.truth[test, 0].mean())
    chosen = np.flatnonzero(sampled(fold, world.truth[:, 0], rng))
    view, fold, group = view_of(world, chosen, hours=HOURS), fold[chosen], group[chosen]
    learn, held = np.flatnonzero(fold == 0), np.flatnonzero(fold == len(FOLDS) - 1)
    truth = view.truth[:, 0]
    harmful, form = truth[held], view.form[held]
    score = learnt_together(view, learn, held, group, rng)
    # Whoever knows how a post was made knows that much of whether it harms.
    usual = {word: truth[learn][view.form[learn] == word].mean() for word in set(view.form[learn])}
    score["form known"] = np.array([usual.get(word, 0.0) for word in form])
    models = {}
    for name, one in score.items():
        report = measure_ranking(harmful, one, prevalence=prevalence, resamples=resamples)
        models[name] = {
            "average_precision": rounded(report.pr_auc),
            "recall_at_precision_95": rounded(report.recall_at_precision),
            "recall_at_budget": rounded(next(at for at in report.at_shares if at.share == BUDGET).recall),
            "by_form": by_form(one, harmful, form, prevalence),
        }
    gains = {}
    for name in SINGLE:
        *_, gain = pr_auc_difference(
            harmful, score["union"], score[name], prevalence=prevalence, resamples=resamples
        )
        gains[name] = rounded(gain)
    text = TextModel(view.text)
    gap = random_split_gap(
        fold,
        truth,
        lambda some, others: text.scores(truth, some, others),
        prevalence=prevalence,
        rng=rng,
    )
    return {
        "posts": len(world.row),
        "learnt_from": len(learn),
        "harmful_learnt_from": int(truth[learn].sum()),
        "held": int(test.sum()),
        "harmless_held_and_drawn": int((~harmful).sum()),
        "harmful_held": int(harmful.sum()),
        "prevalence": round(prevalence, 5),
        "provable_recall_at_precision_95": round(report.provable_recall, 3),
        "models": models,
        "union_better_by": gains,
        "text_random_split": round(gap.random, 3),
        "text_time_split": round(gap.by_time, 3),
        "text_gap": round(gap.gap, 3),
    }


def split(world, settings, *, days):
    """Return folds [n] and near-duplicates' groups [n].

    Between training and test lie the hours in which what is learnt from ran its time; near-duplicates
    stand on the earlier side only.
    """
    test_from = settings.start + days * DAY * 2 // 3
    by_time = split_by_time(
        world.history,
        calibrate_from=test_from - HOURS * HOUR,
        test_from=test_from,
        end=settings.start + days * DAY,
        tables=build_fold_tables(),
    )
    return by_time.fold[world.row], np.unique(by_time.group[world.row], return_inverse=True)[1]


def sampled(fold, harmful, rng):
    """Draw posts [n] of the training and test folds: all harmful ones, and so many harmless ones."""
    drawn = harmful & np.isin(fold, (0, len(FOLDS) - 1))
    for part in (0, len(FOLDS) - 1):
        harmless = np.flatnonzero((fold == part) & ~harmful)
        drawn[rng.permutation(harmless)[:HARMLESS]] = True
    return drawn


def by_form(score, harmful, form, prevalence):
    """Return for each form of harm how well it is told from all that harms nobody, were it alone.

    Of benign forms: the share that stands among the posts that people would look at.
    """
    weight = natural_weights(harmful, prevalence=prevalence)
    order = np.argsort(-score, kind="stable")
    looked_at = np.zeros(len(score), bool)
    looked_at[order[np.cumsum(weight[order]) <= BUDGET * weight.sum()]] = True
    found = {}
    for word in sorted(set(form)):
        bad = harmful & (form == word)
        good = ~harmful & (form == word)
        if bad.any():
            chosen = bad | ~harmful
            found[word] = {
                "harmful": int(bad.sum()),
                "average_precision": round(average_precision(bad[chosen], score[chosen], weight[chosen]), 3),
                "at_budget": round(float(looked_at[bad].mean()), 3),
            }
        else:
            found[word] = {"harmless": int(good.sum()), "at_budget": round(float(looked_at[good].mean()), 4)}
    return found


def rounded(estimate):
    """Return an estimate or a difference as numbers that are short."""
    return {
        name: None if (value := getattr(estimate, name)) is None else round(value, 3)
        for name in ("value", "low", "high")
    }


def world_settings(posts, days, seed):
    """Return a world of about so many posts, half a post a creator and day."""
    return WorldSettings(seed=seed, creators=max(100, 2 * posts // days), posts_per_day=posts / days)


def show(found):
    """Print the tables."""
    print(
        f"{found['harmful_held']} harmful of {found['held']:,} posts held ({found['prevalence']:.2%}), learnt "
        f"from {found['harmful_learnt_from']} harmful and "
        f"{found['learnt_from'] - found['harmful_learnt_from']:,} harmless ones"
    )
    print(f"{'':>12}{'average precision':>26}{'recall at 1 %':>24}{'recall at precision 0.95':>26}")
    for name, one in found["models"].items():
        cells = [interval(one[key]) for key in ("average_precision", "recall_at_budget")]
        print(f"{name:>12}{cells[0]:>26}{cells[1]:>24}{interval(one['recall_at_precision_95']):>26}")
    for name, gain in found["union_better_by"].items():
        print(f"union less {name:>10}: {interval(gain)}")
    print(f"n-grams: random split {found['text_random_split']}, by time {found['text_time_split']}")
    forms = sorted({word for one in found["models"].values() for word in one["by_form"]})
    print(f"{'':>18}{'posts':>7}" + "".join(f"{name:>18}" for name in found["models"]))
    for word in forms:
        cells = [one["by_form"][word] for one in found["models"].values()]
        many = cells[0].get("harmful", cells[0].get("harmless"))
        shown = "".join(
            f"{cell.get('average_precision', '-')!s:>10}{cell['at_budget']:>8.3f}" for cell in cells
        )
        print(f"{word:>18}{many:>7}{shown}")
    print("by form: average precision against all that is harmless, and share within the 1 % scored highest")


def interval(estimate):
    """Write an estimate and its interval."""
    if estimate["value"] is None:
        return "not provable"
    return f"{estimate['value']:.3f} ({estimate['low']:.3f} to {estimate['high']:.3f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--posts", type=int, default=240_000)
    parser.add_argument("--days", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    # One thread adds numbers up in the same order on every machine.
    with threadpool_limits(limits=1):
        found = measure(world_settings(options.posts, options.days, options.seed), days=options.days)
    show(found)
    line = json.dumps({"days": options.days, "hours": HOURS, "seed": options.seed, **found})
    if options.write:
        RESULTS.write_text(line + "\n")
    print(line)


if __name__ == "__main__":
    main()
