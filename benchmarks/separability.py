"""What each kind of model can and cannot see in a simulated world, and what they see together.

    python benchmarks/separability.py                     # 240,000 posts in 24 days
    python benchmarks/separability.py --posts 40000 --days 20

A world is drawn, and every post is judged once, six hours after it came, by what had been received by
then; posts that hardly anybody saw are among them. Models learn from the first two thirds of the time
and are measured on the last: on all harmful posts and a sample of harmless ones, at the prevalence that
there is, and once more without what nearly repeats a post they learnt from. Nothing is chosen on the
test fold. The last line is one JSON object; it is written to benchmarks/results/separability.json with
--write.
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
TEST = len(FOLDS) - 1
HARMLESS = 25_000
"""Of harmless posts at most so many are drawn to learn from, and as many to measure on."""
SINGLE = ("text", "image", "behaviour")
BUDGET = 0.01
"""Share of all posts that people could look at."""


def measure(settings, *, days, seed=0, resamples=400):
    """Return what each model finds in a world, as numbers."""
    rng = np.random.default_rng(seed)
    world = lived(settings, days=days, hours=HOURS, seed=seed)
    fold, group, repeats = split(world, settings, days=days)
    chosen = np.flatnonzero(sampled(fold, world.truth[:, 0], rng))
    view = view_of(world, chosen, hours=HOURS)
    learn, held = np.flatnonzero(fold[chosen] == 0), np.flatnonzero(fold[chosen] == TEST)
    truth = view.truth[:, 0]
    score = learnt_together(view, learn, held, group[chosen], rng)
    # Whoever knows how a post was made knows that much of whether it harms.
    usual = {word: truth[learn][view.form[learn] == word].mean() for word in set(view.form[learn])}
    score["form known"] = np.array([usual.get(word, 0.0) for word in view.form[held]])
    everything = np.ones(len(held), bool)
    traffic = fold == TEST
    found = compared(score, view, held, everything, share(world, traffic), resamples)
    new = compared(score, view, held, ~repeats[chosen[held]], share(world, traffic & ~repeats), resamples)
    text = TextModel(view.text)
    gap = random_split_gap(
        fold[chosen],
        truth,
        lambda some, others: text.scores(truth, some, others),
        prevalence=found["prevalence"],
        rng=rng,
    )
    return {
        "posts": len(world.row),
        "learnt_from": len(learn),
        "harmful_learnt_from": int(truth[learn].sum()),
        "held": int(traffic.sum()),
        **found,
        "without_repeats": {"held": int((traffic & ~repeats).sum()), **new},
        "text_random_split": round(gap.random, 3),
        "text_time_split": round(gap.by_time, 3),
        "text_gap": round(gap.gap, 3),
    }


def compared(score, view, held, among, prevalence, resamples):
    """Return how scores [h] by name do on those of the held posts [h] that `among` [h] marks."""
    harmful, form = view.truth[held, 0][among], view.form[held][among]
    score = {name: one[among] for name, one in score.items()}
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
    return {
        "harmful_held": int(harmful.sum()),
        "harmless_drawn": int((~harmful).sum()),
        "prevalence": round(prevalence, 5),
        "provable_recall_at_precision_95": round(report.provable_recall, 3),
        "models": models,
        "union_better_by": gains,
    }


def share(world, among):
    """Return which share of these posts harms."""
    return float(world.truth[among, 0].mean())


def split(world, settings, *, days):
    """Return folds [n], near-duplicates' groups [n], and which posts repeat one that is learnt from [n].

    Between training and test lie the hours in which what is learnt from ran its time. What nearly
    repeats an earlier post belongs to the traffic, and captions do so by nature: the same words harm over
    one picture and not over another. So they stay, and are left out in a second look.
    """
    test_from = settings.start + days * DAY * 2 // 3
    by_time = split_by_time(
        world.history,
        calibrate_from=test_from - HOURS * HOUR,
        test_from=test_from,
        end=settings.start + days * DAY,
        tables=build_fold_tables(),
    )
    fold, late = by_time.fold[world.row], world.received_at >= test_from
    group = np.unique(by_time.group[world.row], return_inverse=True)[1]
    return np.where(late, np.int8(TEST), fold), group, late & (fold != TEST)


def sampled(fold, harmful, rng):
    """Draw posts [n] of the training and test folds: all harmful ones, and so many harmless ones."""
    drawn = harmful & np.isin(fold, (0, TEST))
    for part in (0, TEST):
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
    harmless = found["learnt_from"] - found["harmful_learnt_from"]
    print(f"learnt from {found['harmful_learnt_from']} harmful and {harmless:,} harmless posts")
    for words, one in (
        ("the last third", found),
        ("of these, what repeats nothing earlier", found["without_repeats"]),
    ):
        print(f"\n{words}: {one['held']:,} posts, {one['harmful_held']} harmful ({one['prevalence']:.2%})")
        _show_models(one)
    print(f"\nn-grams: random split {found['text_random_split']}, by time {found['text_time_split']}")


def _show_models(found):
    print(f"{'':>12}{'average precision':>26}{'recall at 1 %':>24}{'recall at precision 0.95':>26}")
    for name, one in found["models"].items():
        cells = [interval(one[key]) for key in ("average_precision", "recall_at_budget")]
        print(f"{name:>12}{cells[0]:>26}{cells[1]:>24}{interval(one['recall_at_precision_95']):>26}")
    for name, gain in found["union_better_by"].items():
        print(f"union less {name:>10}: {interval(gain)}")
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
