"""Worlds that drift: how much goes wrong before the monitor withdraws a certified rule.

    python benchmarks/guarantee_drift.py --repetitions 160 --write

Each repetition is a world (`score_worlds`) in which a rule that weighs views went live by certificate
(`certifying`). On the first day after that the world changes. Of each day's removals 50 are audited, drawn
evenly, and 50 more, drawn by views; a monitor watches each precision, and the first alarm withdraws the
rule. Without one it stays until its certificate expires. Rolling windows fire at so many wrong audits among
the last W, for each W that has false alarms as rare as the monitor's at a precision of exactly the bound.

All numbers below were written down before the first run. A change that leaves both precisions above their
bounds is none that should be noticed, and is told apart.
"""

import dataclasses
import os
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np

from certifying import POLICY, certified, levels_of
from guarantee import outcomes
from monitor import calibrated, first_alarms
from repeated import report
from score_worlds import POSTS, PREVALENCES, SEPARATIONS, law_of, window
from sievert.measurement.monitor import monitor, watch

RESULT = Path(__file__).parent / "results" / "guarantee_drift.json"
RUN_LENGTH = 7300.0
AUDITS_A_DAY, DAYS = 50, 28  # audits of each kind; days until a certificate expires
DAYS_MEASURED = 2  # of a million posts each, for what a day brings
TIMES = 20  # audits are drawn so often for each world and change
NEW_CAMPAIGN = 0.12  # of what is removed, harmless
WRONG_IN_WINDOW = (8, 35)
CHANGES = {
    "nothing changes": lambda law: law,
    "a third of the harm": lambda law: dataclasses.replace(law, prevalence=law.prevalence / 3),
    "scores tell less": lambda law: dataclasses.replace(law, separation=law.separation - 0.5),
    "scores shift up": lambda law: dataclasses.replace(law, shift=law.shift + 1.0),
    "a new harmless campaign": lambda law: law,
}


def a_day(law, rule, rng, extra):
    """Return what a day brings: removals, both precisions, views that are taken from harmless posts."""
    looks = window(law, rng, posts=DAYS_MEASURED * POSTS, in_campaigns=0.0)
    level = levels_of(rule, looks)
    count, posts, views, _ = outcomes(level, looks.true, looks.forecast, looks.left, [rule.level])
    _, _, _, harmless = outcomes(level, 1 - looks.true, looks.forecast, looks.left, [rule.level])
    removed, seen = float(count[0]) / DAYS_MEASURED, float(harmless[0]) / DAYS_MEASURED
    # Of the new campaign's views as many are taken as of other removals.
    every = outcomes(level, np.ones_like(looks.true), looks.forecast, looks.left, [rule.level])[3]
    grown = 1 / (1 - extra)
    seen += float(every[0]) / DAYS_MEASURED * (grown - 1)
    return removed * grown, float(posts[0]) / grown, float(views[0]) / grown, seen


def days_until(alarms):
    """Return the days [R] on which a rule is in force: until the earlier alarm's day ends, or its certificate's."""
    first = np.full(len(alarms[0]), DAYS)
    for audits in alarms:
        day = np.ceil(audits / AUDITS_A_DAY)
        first = np.where(audits > 0, np.minimum(first, day), first)
    return first


def rolling(right, wrong, width):
    """Return the audit [R] at which so many of the last `width` were wrong first, 0 where never."""
    sums = np.pad(np.cumsum(~right, axis=1), ((0, 0), (1, 0)))
    at = np.arange(1, sums.shape[1])
    fires = sums[:, 1:] - sums[:, np.maximum(at - width, 0)] >= wrong
    return np.where(fires.any(axis=1), fires.argmax(axis=1) + 1, 0)


def measure(repetitions, rng):
    bounds = (POLICY.precision_posts, POLICY.precision_views)
    watches = [monitor(t, RUN_LENGTH) for t in bounds]
    quiet = [float(first_alarms(one, one.t, 300, rng).mean()) for one in watches]
    widths = {
        wrong: [calibrated(wrong, run, 2000, t=t) for run, t in zip(quiet, bounds, strict=True)]
        for wrong in WRONG_IN_WINDOW
    }
    rows = {name: [] for name in CHANGES}
    for number in range(repetitions):
        separation = SEPARATIONS[number % len(SEPARATIONS)]
        law = law_of(rng, separation, PREVALENCES[number // len(SEPARATIONS) % len(PREVALENCES)])
        rule = certified(law, rng, rng.bytes(32), "path")
        if rule.level is None:
            continue
        for name, change in CHANGES.items():
            extra = NEW_CAMPAIGN if name == "a new harmless campaign" else 0.0
            removed, posts, views, seen = a_day(change(law), rule, rng, extra)
            right = [rng.random((TIMES, DAYS * AUDITS_A_DAY)) < precision for precision in (posts, views)]
            in_force = {"no monitor": np.full(TIMES, DAYS)}
            in_force["monitor"] = days_until(
                [watch(one, y.astype(np.float64))[0] for one, y in zip(watches, right, strict=True)]
            )
            for wrong, both in widths.items():
                alarms = [rolling(y, wrong, width) for y, width in zip(right, both, strict=True)]
                in_force[f"window, {wrong} wrong"] = days_until(alarms)
            rows[name].append(
                {
                    "broken": posts < bounds[0] or views < bounds[1],
                    "posts": posts,
                    "views": views,
                    "days": {way: days.mean() for way, days in in_force.items()},
                    "withdrawn": {way: (days < DAYS).mean() for way, days in in_force.items()},
                    "wrong": {way: days.mean() * removed * (1 - posts) for way, days in in_force.items()},
                    "harmless_views": {way: days.mean() * seen for way, days in in_force.items()},
                }
            )
    return {
        "worlds": repetitions,
        "run_lengths": [round(one) for one in quiet],
        "widths": {str(wrong): both for wrong, both in widths.items()},
        "changes": {
            f"{name}, {'broken' if broken else 'still kept'}": told(
                [row for row in some if row["broken"] == broken]
            )
            for name, some in rows.items()
            for broken in (True, False)
        },
    }


def told(rows):
    if not rows:
        return {"worlds": 0}
    ways = rows[0]["days"]
    return {
        "worlds": len(rows),
        "precision_posts": round(float(np.mean([row["posts"] for row in rows])), 4),
        "precision_views": round(float(np.mean([row["views"] for row in rows])), 4),
        "ways": {
            way: {
                "days": round(float(np.mean([row["days"][way] for row in rows])), 1),
                "withdrawn": round(float(np.mean([row["withdrawn"][way] for row in rows])), 4),
                "wrong_removals": round(float(np.mean([row["wrong"][way] for row in rows]))),
                "harmless_views": round(float(np.mean([row["harmless_views"][way] for row in rows]))),
            }
            for way in ways
        },
    }


def show(result):
    print(f"run lengths at the bounds {result['run_lengths']}, widths of windows {result['widths']}")
    print(
        f"{'change':<36}{'worlds':>7}{'posts':>8}{'views':>8}  {'watched by':<18}{'days':>6}{'withdrawn':>11}"
        f"{'wrong removals':>16}{'views of harmless':>19}"
    )
    for name, one in result["changes"].items():
        for place, (way, found) in enumerate(one.get("ways", {}).items()):
            about = (
                f"{name:<36}{one['worlds']:>7}{one['precision_posts']:>8.3f}{one['precision_views']:>8.3f}"
                if place == 0
                else " " * 59
            )
            print(
                f"{about}  {way:<18}{found['days']:>6.1f}{found['withdrawn']:>11.1%}"
                f"{found['wrong_removals']:>16,}{found['harmless_views']:>19,}"
            )


if __name__ == "__main__":
    report(__doc__, measure, show, RESULT)
