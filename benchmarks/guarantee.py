"""Worlds of arrays: does a certificate keep what it promises, and what is it worth?

    python benchmarks/guarantee.py --worlds 1000

Each world has a separation of scores, a prevalence, view counts with a heavy tail, forecasts that err,
probabilities that are wrong by a random slope and shift, and reviewers who err. Of three windows of a
million posts the first fixes the path of rules, posts of the second are audited, and the third shows what
the certified rule then really does: that is the precision that counts. All parameters stand below; they
were written down before the first run.

Compared, on the same worlds: cutting at a stated probability of 0.95 without any proof; the same with
probabilities calibrated on balanced data; a certified threshold on the probability alone; the best rule
of the path for who knows the truth.

Only posts whose stated probability reaches the floor are drawn, which is exact: the others are never
removed. Not covered yet: campaigns, re-scoring, drift, peeking (`benchmarks/monitor.py` has the monitor).
"""

import argparse
import json
import os
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np

from sievert.errors import InvalidField
from sievert.measurement.certificate import Half, prove, review_error
from sievert.policy.removal import level_of
from sievert.schema.policy import Policy

POSTS = 1_000_000
SEPARATIONS = (2.5, 3.0, 3.5, 4.0)
PREVALENCES = (0.004, 0.008)
VIEW_TAIL, MOST_VIEWS = 1.3, 10_000.0
FORECAST_ERROR = 1.0  # standard deviation of the log
SLOPE, SHIFT = (0.85, 1.2), 0.35  # of stated logits, even and normal
LAMBDA_VIEWS = 1.0
PATH_POINTS = 12
AUDITS = 1500  # a half
DELTA, REVIEW_DELTA = 0.05, 0.01
MISSES, FALSE_ALARMS, REVIEWED_TWICE = 0.03, 0.002, 2000
POLICY = Policy(name="made_up", version=1, category="made_up", title="Made up")
BALANCED_CUT = 0.95


class World:
    """One world; `window` draws a million posts of it."""

    def __init__(self, rng, separation, prevalence):
        self.rng, self.separation, self.prevalence = rng, separation, prevalence
        self.slope = rng.uniform(*SLOPE)
        self.shift = rng.normal(0, SHIFT)

    def window(self):
        """Return (truth, stated probability, true probability, capped views, forecast) of posts above the floor."""
        stated = logit(POLICY.floor)
        true = (stated - self.shift) / self.slope
        least = (true - logit(self.prevalence)) / self.separation + self.separation / 2
        harmful, calm = (
            tail(self.rng, round(POSTS * share), least - mean) + mean
            for share, mean in ((self.prevalence, self.separation), (1 - self.prevalence, 0.0))
        )
        score = np.concatenate([harmful, calm])
        truth = np.arange(len(score)) < len(harmful)
        p = logit(self.prevalence) + self.separation * (score - self.separation / 2)
        views = np.minimum(self.rng.pareto(VIEW_TAIL, len(score)) + 1.0, MOST_VIEWS)
        forecast = np.minimum(views * np.exp(self.rng.normal(0, FORECAST_ERROR, len(score))), MOST_VIEWS)
        return truth, sigmoid(self.shift + self.slope * p), sigmoid(p), views, forecast


def logit(p):
    return np.log(p) - np.log1p(-p)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def tail(rng, count, least):
    """Draw those of `count` standard normal numbers that are at least `least`."""
    if least < 2.0:
        drawn = rng.normal(size=count)
        return drawn[drawn >= least]
    # Far out: how many there are is binomial, and they are drawn by rejection (Robert 1995).
    share = upper_tail(least)
    wanted, kept = rng.binomial(count, share), np.empty(0)
    rate = (least + np.sqrt(least * least + 4)) / 2
    while len(kept) < wanted:
        some = least + rng.exponential(1 / rate, 2 * wanted + 10)
        kept = np.append(kept, some[rng.random(len(some)) < np.exp(-((some - rate) ** 2) / 2)])
    return kept[:wanted]


def upper_tail(x):
    from math import erfc, sqrt

    return 0.5 * erfc(x / sqrt(2))


def levels(p, forecast, *, by_views):
    """Return how careful the most careful rule is that removes each post."""
    if by_views:
        return level_of(p.astype(np.float32), forecast.astype(np.float32), POLICY, lambda_views=LAMBDA_VIEWS)
    return np.where(p >= POLICY.floor, p, -np.inf)


def path_of(level):
    """Fix a path on the first window: from what every rule removes to everything above the floor."""
    finite = level[np.isfinite(level)]
    if len(finite) < PATH_POINTS:
        return None
    cuts = np.quantile(finite, np.linspace(0.98, 0.02, PATH_POINTS - 1))
    return np.unique(np.append(cuts, np.inf if np.isinf(level).any() else finite.max()))[::-1]


def certified(world, rng, *, by_views):
    """Return (the rule's level or None, labels spent)."""
    _, p, _, _, forecast = world.window()
    path = path_of(levels(p, forecast, by_views=by_views))
    if path is None:
        return None, 0
    truth, p, _, _, forecast = world.window()
    level = levels(p, forecast, by_views=by_views)
    frame = level >= path[-1]
    level, truth, forecast = level[frame], truth[frame], forecast[frame]
    halves = []
    for weight in (np.ones(len(level)), forecast):
        share = weight / weight.sum()
        rows = rng.choice(len(level), AUDITS, p=share)
        judged = np.where(truth[rows], rng.random(AUDITS) >= MISSES, rng.random(AUDITS) < FALSE_ALARMS)
        mass = np.array([share[level >= one].sum() for one in path])
        halves.append(Half(level=level[rows], harmful=judged, mass=mass / mass[-1]))
    error = review_error(
        harmful=REVIEWED_TWICE,
        called_harmless=rng.binomial(REVIEWED_TWICE, MISSES),
        harmless=REVIEWED_TWICE,
        called_harmful=rng.binomial(REVIEWED_TWICE, FALSE_ALARMS),
        delta=REVIEW_DELTA,
    )
    try:
        found = prove(
            path,
            *halves,
            precision_posts=POLICY.precision_posts,
            precision_views=POLICY.precision_views,
            delta=DELTA,
            review=error,
        )
    except InvalidField:
        return None, 2 * AUDITS
    return (None if found.proven is None else float(path[found.proven])), 2 * AUDITS


def worth(removed, window):
    """Return (precision over posts, over forecast views, harmful views prevented) of what is removed.

    Precisions are expected ones, by the true probabilities.
    """
    _, _, true, views, forecast = window
    if not removed.any():
        return 1.0, 1.0, 0.0
    return (
        float(true[removed].mean()),
        float(np.average(true[removed], weights=forecast[removed])),
        float((true * views)[removed].sum()),
    )


def oracle(window):
    """Return the harmful views that the best rule prevents for who knows each post's true probability and views."""
    _, _, true, views, _ = window
    best = 0.0
    level = level_of(true.astype(np.float32), views.astype(np.float32), POLICY, lambda_views=LAMBDA_VIEWS)
    for least in (
        np.unique(np.quantile(level[np.isfinite(level)], np.linspace(0, 1, 60)))
        if np.isfinite(level).any()
        else [np.inf]
    ):
        posts, seen, prevented = worth(level >= least, window)
        if posts >= POLICY.precision_posts and seen >= POLICY.precision_views:
            best = max(best, prevented)
    return best


def balanced(window, prevalence):
    """Mark what a cut at 0.95 removes where probabilities were calibrated on as many harmful as harmless posts."""
    _, p, _, _, _ = window
    return sigmoid(logit(p) - logit(prevalence)) >= BALANCED_CUT


def main():
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--worlds", type=int, default=1000)
    options.add_argument("--seed", type=int, default=20270501)
    chosen = options.parse_args()
    began = time.process_time()
    rows = []
    for number in range(chosen.worlds):
        rng = np.random.default_rng([chosen.seed, number])
        separation = SEPARATIONS[number % len(SEPARATIONS)]
        prevalence = PREVALENCES[number // len(SEPARATIONS) % len(PREVALENCES)]
        world = World(rng, separation, prevalence)
        rules = {name: certified(world, rng, by_views=name == "path") for name in ("path", "threshold")}
        window = world.window()
        _, p, _, _, forecast = window
        told = {}
        for name, (least, labels) in rules.items():
            removed = (
                np.zeros(len(p), bool)
                if least is None
                else levels(p, forecast, by_views=name == "path") >= least
            )
            told[name] = (*worth(removed, window), least is not None, labels)
        told["stated 0.95"] = (*worth(p >= POLICY.precision_posts, window), True, 0)
        told["balanced 0.95"] = (*worth(balanced(window, prevalence), window), True, 0)
        rows.append((separation, prevalence, told, oracle(window)))
    print(
        f"{'rule':<16}{'separation':>11}{'worlds':>8}{'live':>8}{'posts < 0.95':>14}{'views < 0.90':>14}{'of the oracle':>15}"
    )
    figures = {}
    for name in ("path", "threshold", "stated 0.95", "balanced 0.95"):
        for separation in (None, *SEPARATIONS):
            some = [row for row in rows if separation in (None, row[0])]
            live = [row[2][name] for row in some if row[2][name][3]]
            best = sum(row[3] for row in some)
            figures[f"{name}, {separation or 'all'}"] = one = {
                "worlds": len(some),
                "live": len(live) / len(some),
                "posts_broken": sum(found[0] < POLICY.precision_posts for found in live),
                "views_broken": sum(found[1] < POLICY.precision_views for found in live),
                "of_oracle": sum(row[2][name][2] for row in some) / best if best else 0.0,
            }
            print(
                f"{name:<16}{separation or 'all':>11}{one['worlds']:>8}{one['live']:>8.1%}"
                f"{one['posts_broken']:>14}{one['views_broken']:>14}{one['of_oracle']:>15.1%}"
            )
    print(f"{time.process_time() - began:.0f} s of CPU")
    print(json.dumps({"seed": chosen.seed, "rules": figures, "cpu_s": round(time.process_time() - began)}))


if __name__ == "__main__":
    main()
