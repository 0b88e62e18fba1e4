"""Worlds of scores: does a certificate keep what it promises, and what is it worth?

    python benchmarks/guarantee.py --worlds 1000 --write

Each world (`score_worlds`) tries to go live by certificate, with rules that weigh views and with thresholds
on the probability, and by five ways that people take instead (`certifying`). What counts is the next
window: the expected precision over first crossings, over posts and over forecast views, of the rule that
went live, and the harmful views that it prevents. All of it is by true probabilities, of three windows.

For comparison: cutting at 0.95 of the stated probability; of a perfectly calibrated one; the best rule of
the path for who knows how well it is calibrated; and for who knows each post's true probability and views.
"""

import argparse
import json
import os
import time
from multiprocessing import Pool
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np

import certifying
from bar_plot import bars
from certifying import LOWER, POLICY, UNCHANGED, Rule, levels, levels_of, probabilities
from score_worlds import POSTS, PREVALENCES, SEPARATIONS, law_of, window
from sievert.calibration.recalibrating import recalibrated
from sievert.measurement.crossings import before, sums_at_first_crossing
from sievert.policy.paths import LAMBDAS_VIEWS

RESULT = Path(__file__).parent / "results" / "guarantee.json"
PICTURE = Path(__file__).parents[1] / "docs" / "images" / "guarantee.svg"
MEASURED_ON = 3 * POSTS
LOWER_LINE = 0.05  # of the stated probability, where a balanced cut is measured
TRIED = 40
CERTIFIED = {
    "path": ("path", POLICY),
    "threshold": ("threshold", POLICY),
    "path, floor 0.70": ("path", LOWER),
}
NAIVE = ("looks good", "balanced 0.95", "every look", "Wald, peeking", "retrying")
KNOWING = (
    "stated 0.95",
    "calibrated 0.95",
    "informed threshold",
    "informed",
    "oracle",
    "informed, floor 0.70",
    "oracle, floor 0.70",
)
NAMES = (*CERTIFIED, *NAIVE, *KNOWING)
BESIDE = ("calibrated 0.95", "threshold", "oracle")


def outcomes(level, true, weight, left, tried):
    """Return of rules [C]: posts removed, precision over posts, over views by weight [n, J], harmful views prevented."""
    values = np.stack([np.ones_like(true), true, weight, weight * true, true * left])
    out = sums_at_first_crossing(level, values, tried)
    with np.errstate(invalid="ignore"):
        return out[:, 0], out[:, 1] / out[:, 0], out[:, 3] / out[:, 2], out[:, 4]


def measured(rule, looks):
    """Return what a rule does: (precision over posts, over forecast views, harmful views prevented)."""
    if rule.level is None:
        return None, None, 0.0
    count, posts, views, prevented = outcomes(
        levels_of(rule, looks), looks.true, looks.forecast, looks.left, [rule.level]
    )
    if not count[0]:
        return None, None, 0.0
    return float(posts[0]), float(views[0]), float(prevented[0])


def best(p, views, looks, family="path", policy=POLICY):
    """Return what the best rule on these probabilities and views prevents, both precisions being kept."""
    most = (None, None, 0.0)
    for lambda_views in LAMBDAS_VIEWS if family == "path" else (0.0,):
        level = levels(family, p, views, lambda_views, policy)
        record = level[level > before(level)]
        if not len(record):
            return most
        tried = (
            np.quantile(record[np.isfinite(record)], np.linspace(0, 1, TRIED))
            if np.isfinite(record).any()
            else []
        )
        count, posts, seen, prevented = outcomes(level, looks.true, views, looks.left, [*tried, np.inf])
        kept = (count > 0) & (posts >= POLICY.precision_posts) & (seen >= POLICY.precision_views)
        if kept.any() and prevented[kept].max() > most[2]:
            at = int(np.where(kept, prevented, -1).argmax())
            most = float(posts[at]), float(seen[at]), float(prevented[at])
    return most


def one_world(task):
    """Return what every way does in one world."""
    seed, number = task
    separation = SEPARATIONS[number % len(SEPARATIONS)]
    prevalence = PREVALENCES[number // len(SEPARATIONS) % len(PREVALENCES)]

    def rng(stream):
        return np.random.default_rng([seed, number, stream])

    secret = rng(1).bytes(32)
    law = law_of(rng(0), separation, prevalence)
    rules = {
        name: certifying.certified(law, rng(10 + at), secret, *how)
        for at, (name, how) in enumerate(CERTIFIED.items())
    }
    rules |= {
        "looks good": certifying.looks_good(law, rng(4)),
        "every look": certifying.every_look(law, rng(5), secret),
        "Wald, peeking": certifying.peeking(law, rng(6)),
        "retrying": certifying.retrying(law, rng(7)),
        "stated 0.95": Rule("any", UNCHANGED, 0.0, POLICY.precision_posts),
    }
    looks = window(law, rng(8), posts=MEASURED_ON, in_campaigns=0.0)
    low = window(law, rng(9), posts=POSTS, in_campaigns=0.0, line=LOWER_LINE)
    was = np.isfinite(looks.stated)
    right = recalibrated(looks.stated[was], looks.true[was])
    rules["calibrated 0.95"] = Rule("any", right, 0.0, POLICY.precision_posts)
    told = {name: measured(rule, looks) for name, rule in rules.items()}
    rules["balanced 0.95"] = certifying.balanced(law)
    told["balanced 0.95"] = measured(rules["balanced 0.95"], low)
    told["balanced 0.95"] = (*told["balanced 0.95"][:2], told["balanced 0.95"][2] * MEASURED_ON / POSTS)
    told["informed"] = best(probabilities(right, looks), looks.forecast, looks)
    told["informed threshold"] = best(probabilities(right, looks), looks.forecast, looks, family="threshold")
    told["oracle"] = best(np.where(was, looks.true, 0.0), looks.left, looks)
    told["informed, floor 0.70"] = best(probabilities(right, looks), looks.forecast, looks, policy=LOWER)
    told["oracle, floor 0.70"] = best(np.where(was, looks.true, 0.0), looks.left, looks, policy=LOWER)
    return {
        "number": number,
        "separation": separation,
        "prevalence": prevalence,
        "slope": law.slope,
        "shift": law.shift,
        "told": told,
        "labels": {name: rule.labels for name, rule in rules.items()},
        "within": {name: rules[name].at_3000 for name in CERTIFIED},
        "attempts": {name: rules[name].attempts for name in CERTIFIED},
        "frame_kept": {name: rules[name].frame_kept for name in CERTIFIED},
        "lambda": {name: rules[name].lambda_views for name in CERTIFIED},
        "drawn": {name: rules[name].drawn for name in CERTIFIED},
    }


def figures(rows):
    """Return, by rule and by separation, how many worlds are live and broken, and what is prevented."""
    found = {}
    for name in NAMES:
        for separation in (None, *SEPARATIONS):
            some = [row for row in rows if separation in (None, row["separation"])]
            live = [row["told"][name] for row in some if row["told"][name][0] is not None]
            prevented = sum(row["told"][name][2] for row in some)
            found[f"{name}, {separation or 'all'}"] = {
                "worlds": len(some),
                "live": share(len(live), len(some)),
                "posts_broken": sum(posts < POLICY.precision_posts for posts, _, _ in live),
                "views_broken": sum(views < POLICY.precision_views for _, views, _ in live),
                "broken": sum(
                    posts < POLICY.precision_posts or views < POLICY.precision_views
                    for posts, views, _ in live
                ),
                "mean_precision_posts": share(sum(posts for posts, _, _ in live), len(live)),
                "mean_precision_views": share(sum(views for _, views, _ in live), len(live)),
                "labels": round(np.mean([row["labels"].get(name, 0) for row in some])),
                "prevented": {
                    other: share(prevented, sum(row["told"][other][2] for row in some)) for other in BESIDE
                },
                "prevented_mean_of_worlds": share(
                    sum(row["told"][name][2] / row["told"]["calibrated 0.95"][2] for row in some), len(some)
                ),
            }
    return found


def abstention(rows):
    """Return, of certified rules by prevalence and separation, how often they are live, and labels until then."""
    found = {}
    for name in CERTIFIED:
        for prevalence in PREVALENCES:
            for separation in SEPARATIONS:
                some = [
                    row for row in rows if (row["prevalence"], row["separation"]) == (prevalence, separation)
                ]
                live = [row["labels"][name] for row in some if row["told"][name][0] is not None]
                found[f"{name}, {prevalence}, {separation}"] = {
                    "worlds": len(some),
                    "live_within_3000": share(sum(row["within"][name] for row in some), len(some)),
                    "live_in_the_end": share(len(live), len(some)),
                    "median_labels": round(float(np.median(live))) if live else None,
                }
    return found


def share(part, whole):
    return round(float(part / whole), 4) if whole else None


def summary(rows):
    strong = [row for row in rows if row["separation"] >= 3]
    return {
        "rules": figures(rows),
        "abstention": abstention(rows),
        "live_within_3000_at_3_or_more": {
            name: share(sum(row["within"][name] for row in strong), len(strong)) for name in CERTIFIED
        },
        "broken_in_the_audited_window": {
            name: sum(not row["frame_kept"][name] for row in rows) for name in CERTIFIED
        },
        "attempts": {
            name: np.bincount([row["attempts"][name] for row in rows], minlength=6).tolist()
            for name in CERTIFIED
        },
    }


def show(result):
    print(
        f"{'rule':<22}{'separation':>11}{'worlds':>8}{'live':>8}{'broken':>8}{'posts':>7}{'views':>7}"
        f"{'labels':>9}{'calibrated 0.95':>17}{'threshold':>11}{'oracle':>9}"
    )
    for key, one in result["rules"].items():
        name, separation = key.rsplit(", ", 1)
        beside = "".join(
            f"{'' if one['prevented'][other] is None else format(one['prevented'][other], '.2f'):>{width}}"
            for other, width in zip(BESIDE, (17, 11, 9), strict=True)
        )
        print(
            f"{name:<22}{separation:>11}{one['worlds']:>8}{one['live']:>8.1%}{one['broken']:>8}"
            f"{one['posts_broken']:>7}{one['views_broken']:>7}{one['labels']:>9,}{beside}"
        )
    print(f"\n{'certified':<44}{'live within 3,000 labels':>26}{'in the end':>12}{'median labels':>15}")
    for key, one in result["abstention"].items():
        labels = "" if one["median_labels"] is None else format(one["median_labels"], ",")
        print(f"{key:<44}{one['live_within_3000']:>26.0%}{one['live_in_the_end']:>12.0%}{labels:>15}")
    for key in ("live_within_3000_at_3_or_more", "broken_in_the_audited_window", "attempts"):
        print(f"{key.replace('_', ' ')}: {result[key]}")


def draw(result):
    """Draw both sides of the bargain: broken worlds, and harmful views prevented."""
    all_of = {name: result["rules"][f"{name}, all"] for name in NAMES if not name.startswith("informed")}
    bars(
        PICTURE,
        title="What rules break, and what they prevent",
        columns={
            "worlds whose next window breaks the guardrail": {
                name: one["broken"] / one["worlds"] for name, one in all_of.items()
            },
            "harmful views prevented, of the oracle's": {
                name: one["prevented"]["oracle"] for name, one in all_of.items()
            },
        },
        line=("5 % permitted", 0.05),
    )


def main():
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--worlds", type=int, default=1000)
    options.add_argument("--seed", type=int, default=20270501)
    options.add_argument("--processes", type=int, default=2)
    options.add_argument("--write", action="store_true", help="keep the result and its picture")
    chosen = options.parse_args()
    began = time.time()
    tasks = [(chosen.seed, number) for number in range(chosen.worlds)]
    with Pool(chosen.processes) as pool:
        rows = pool.map(one_world, tasks, chunksize=2)
    result = {"seed": chosen.seed, "worlds": chosen.worlds, **summary(rows)}
    show(result)
    if chosen.write:
        RESULT.write_text(json.dumps(result, indent=4) + "\n")
        draw(result)
    print(f"{time.time() - began:.0f} s")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
