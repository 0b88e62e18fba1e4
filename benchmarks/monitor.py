"""How soon the monitor notices bad removals, and how seldom it cries wolf.

    python benchmarks/monitor.py --write

Audits come one after the other. Precision is bad from the first audit on, or turns bad after 5,000 good
ones at 0.97. Rolling windows fire at c wrong removals among the last W; for each c, W is the widest that
has false alarms as rare as the monitor's at a precision of exactly 0.95. CUSUM is the largest wager alone,
with the same stakes and the same stated run length.
"""

from pathlib import Path

import numba
import numpy as np

from repeated import report
from sievert.measurement.betting import stakes_against
from sievert.measurement.monitor import WATCHED_ODDS, Monitor, monitor, watch

RESULT = Path(__file__).parent / "results" / "monitor.json"
T, RUN_LENGTH = 0.95, 7300.0
BAD = (0.90, 0.85, 0.80)
GOOD, GOOD_AUDITS, LONG = 0.97, 5000, 100_000
AIMS = {0.90: 650, 0.85: 200, 0.80: 100}
BLOCK = 500
WRONG_IN_WINDOW = (5, 8, 12, 20, 35, 60)
GRIDS = {
    "2": (2.0,),
    "3": (3.0,),
    "2 4": (2.0, 4.0),
    "2 3 4.5": WATCHED_ODDS,
    "1.8 3 6": (1.8, 3.0, 6.0),
    "1.5 2.2 3.5 6 12": (1.5, 2.2, 3.5, 6.0, 12.0),
}


def with_odds(odds):
    return Monitor(t=T, run_length=RUN_LENGTH, stakes=stakes_against(T, odds))


def first_alarms(watched, precision, repetitions, rng, *, worth=None, at_most=10**7):
    """Return audits until each repetition fires; those that never do within `at_most` are left out."""
    worth = np.zeros((repetitions, len(watched.stakes))) if worth is None else worth
    done, heard = [], 0
    while len(worth) and heard < at_most:
        first, worth = watch(watched, rng.random((len(worth), BLOCK)) < precision, worth=worth)
        done.append(heard + first[first > 0])
        worth = worth[first == 0]
        heard += BLOCK
    return np.concatenate(done)


def after_good_days(watched, repetitions, rng):
    """Return what wagers are worth after good audits, a watch that fired starting anew, and how many did."""
    worth, fired = np.zeros((repetitions, len(watched.stakes))), 0
    for _ in range(GOOD_AUDITS // BLOCK):
        first, worth = watch(watched, rng.random((repetitions, BLOCK)) < GOOD, worth=worth)
        worth[first > 0] = 0.0
        fired += int((first > 0).sum())
    return worth, fired


@numba.njit
def windows(rng, wrong, width, good_audits, good, precision, repetitions):
    """Return audits until `wrong` mistakes lie within `width` audits; alarms on good days start anew."""
    out = np.empty(repetitions)
    for r in range(repetitions):
        last = np.full(wrong, -(10**9))
        at = slot = 0
        while True:
            gap = rng.geometric(1 - (good if at < good_audits else precision))
            if at < good_audits < at + gap:
                gap = good_audits - at + rng.geometric(1 - precision)
            at += gap
            last[slot] = at
            slot = (slot + 1) % wrong
            if at - last[slot] < width:
                if at > good_audits:
                    break
                last[:] = -(10**9)
        out[r] = at - good_audits
    return out


@numba.njit
def largest_wagers(rng, right, wrong, threshold, precision, repetitions):
    """Return audits until CUSUM fires: each account [A] forgets what is worth less than a fresh coin."""
    out = np.empty(repetitions)
    for r in range(repetitions):
        worth = np.zeros(len(right))
        n = 0
        while worth.mean() < threshold:
            worth = np.maximum(worth, 1.0) * (right if rng.random() < precision else wrong)
            n += 1
        out[r] = n
    return out


def calibrated(wrong, run_length, repetitions, *, t=T):
    """Return the widest window that is as quiet as `run_length`; the same draws at every width."""
    low, high = wrong, 40 * wrong
    while high - low > 1:
        width = (low + high) // 2
        quiet = windows(np.random.default_rng(1), wrong, width, 0, GOOD, t, repetitions).mean() >= run_length
        low, high = (width, high) if quiet else (low, width)
    return low


def told(audits):
    return {
        "mean": round(float(audits.mean()), 1),
        "median": round(float(np.median(audits))),
        "p95": round(float(np.quantile(audits, 0.95))),
    }


def grids(rng, repetitions):
    """Return mean audits for other stakes, by true precision; the run length is promised for all."""
    return {
        name: {str(p): round(float(first_alarms(with_odds(odds), p, repetitions, rng).mean())) for p in BAD}
        for name, odds in GRIDS.items()
    }


def measure(repetitions, rng):
    watched = monitor(T, RUN_LENGTH)
    quiet = first_alarms(watched, T, repetitions, rng)
    run_length = float(quiet.mean())
    good = first_alarms(watched, GOOD, repetitions // 5, rng, at_most=LONG)
    heard = float(good.sum()) + LONG * (repetitions // 5 - len(good))
    worth, false_alarms = after_good_days(watched, repetitions, rng)
    methods = {
        "monitor": {
            str(p): {
                "at_0": told(first_alarms(watched, p, repetitions, rng)),
                "after_5000": told(first_alarms(watched, p, repetitions, rng, worth=worth.copy())),
            }
            for p in BAD
        }
    }
    widths = {}
    for wrong in WRONG_IN_WINDOW:
        width = calibrated(wrong, run_length, 4 * repetitions)
        widths[f"window {width}"] = {
            "wrong": wrong,
            "run_length": round(float(windows(rng, wrong, width, 0, GOOD, T, 4 * repetitions).mean())),
        }
        methods[f"window {width}"] = {
            str(p): {
                "at_0": told(windows(rng, wrong, width, 0, GOOD, p, repetitions)),
                "after_5000": told(windows(rng, wrong, width, GOOD_AUDITS, GOOD, p, repetitions)),
            }
            for p in BAD
        }
    stakes = np.array(watched.stakes)
    both = 1 + stakes * (1 - T), 1 - stakes * T
    return {
        "t": T,
        "stated_run_length": RUN_LENGTH,
        "repetitions": repetitions,
        "run_length_at_0.95": round(run_length),
        "run_length_at_0.95_standard_error": round(float(quiet.std() / len(quiet) ** 0.5)),
        "run_length_at_0.97": round(heard / max(len(good), 1)),
        "alarms_at_0.97": len(good),
        "audits_at_0.97": round(heard),
        "alarms_in_5000_good": false_alarms,
        "aims": {str(p): aim for p, aim in AIMS.items()},
        "delays": methods,
        "windows": widths,
        "cusum": {
            str(p): round(float(largest_wagers(rng, *both, RUN_LENGTH, p, repetitions).mean())) for p in BAD
        },
        "cusum_run_length_at_0.95": round(float(largest_wagers(rng, *both, RUN_LENGTH, T, 100).mean()), -3),
        "grids": grids(rng, repetitions),
    }


def show(result):
    print(
        f"run length: stated {RUN_LENGTH:,.0f}, at 0.95 {result['run_length_at_0.95']:,} "
        f"(s.e. {result['run_length_at_0.95_standard_error']:,}), at 0.97 {result['run_length_at_0.97']:,}"
    )
    print("\naudits until noticed: mean / median / 95 %, bad at once | bad after 5,000 good ones")
    print(f"{'':<14}" + "".join(f"{p:^38.2f}" for p in BAD))
    for name, delays in result["delays"].items():
        cells = [
            "|".join(f"{d['mean']:>6.0f}/{d['median']:>4}/{d['p95']:>5}" for d in delays[str(p)].values())
            for p in BAD
        ]
        print(f"{name:<14}" + "".join(f"{cell:^38}" for cell in cells))
    for name, one in result["windows"].items():
        print(f"{name}: fires at {one['wrong']} wrong, run length {one['run_length']:,}")
    print(f"\nCUSUM {result['cusum']}, run length at 0.95 {result['cusum_run_length_at_0.95']:,.0f}")
    print("stakes against these multiples of the permitted odds of a mistake, mean audits:")
    for name, delays in result["grids"].items():
        print(f"  {name:<18}" + "".join(f"{delays[str(p)]:>7}" for p in BAD))


if __name__ == "__main__":
    report(__doc__, measure, show, RESULT)
