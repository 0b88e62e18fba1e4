"""How many labels a bet needs to prove that precision is over 0.95, and how often it claims so falsely.

    python benchmarks/betting.py --write

All methods look after every label, Wald's interval after every 50th from 200 on; all have 3,000 labels
and delta = 0.05. aGRAPA sets its one stake from the mean and the variance so far, up to a part of what
could ruin it. At a precision of exactly 0.95 every claim is false.
"""

from pathlib import Path

import numpy as np

from repeated import report
from sievert.measurement.betting import FEWER_MISTAKES, Bet, bet_above, bet_below, run, stakes_against

RESULT = Path(__file__).parent / "results" / "betting.json"
BOUND, DELTA, LABELS = 0.95, 0.05, 3000
TRUE = (0.995, 0.99, 0.98, 0.97, 0.95)
WORSE = (0.80, 0.85, 0.90, 0.92, 0.95)
GRIDS = {
    "one stake, 0.4": (0.4,),
    "0.15 0.5": (0.15, 0.5),
    "0.1 0.35 0.7": (0.1, 0.35, 0.7),
    "0.05 0.2 0.4 0.65": FEWER_MISTAKES,
    "seven": (0.01, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7),
}
PARTS = (0.5, 0.75, 0.9)


def agrapa(y, part):
    """Return the log wealth [R, n] of one stake that follows the data, at most `part` of the ruinous one."""
    total = np.full(len(y), BOUND)
    squares = np.full(len(y), BOUND * (1 - BOUND))
    wealth = np.empty(y.shape)
    log = np.zeros(len(y))
    for at in range(y.shape[1]):
        mean, variance = total / (at + 1), squares / (at + 1)
        gap = mean - BOUND
        stake = np.clip(gap / (variance + gap**2), 0, part / BOUND)
        log = log + np.log1p(stake * (y[:, at] - BOUND))
        wealth[:, at] = log
        total = total + y[:, at]
        squares = squares + (y[:, at] - total / (at + 2)) ** 2
    return wealth


def wald(y):
    """Return whether Wald's lower bound of 95 % lay above the bound at some look [R]."""
    heard = np.arange(200, y.shape[1] + 1, 50)
    share = y.cumsum(axis=1)[:, heard - 1] / heard
    return ((share - 1.645 * np.sqrt(share * (1 - share) / heard)) > BOUND).any(axis=1)


def told(evidence):
    claims = evidence >= -np.log(DELTA)
    proven = claims.any(axis=1)
    labels = np.where(proven, claims.argmax(axis=1) + 1, LABELS + 1)
    median = int(np.median(labels))
    return {"median": median if median <= LABELS else None, "proven": round(float(proven.mean()), 4)}


def measure(repetitions, rng):
    above = {str(p): (rng.random((repetitions, LABELS)) < p).astype(np.float64) for p in TRUE}
    below = {str(p): (rng.random((repetitions, LABELS)) < p).astype(np.float64) for p in WORSE}
    fixed = {name: Bet(bound=BOUND, stakes=stakes_against(BOUND, odds)) for name, odds in GRIDS.items()}
    assert fixed["0.05 0.2 0.4 0.65"] == bet_above(BOUND)
    return {
        "bound": BOUND,
        "delta": DELTA,
        "repetitions": repetitions,
        "above": {
            **{name: {p: told(run(bet, y)) for p, y in above.items()} for name, bet in fixed.items()},
            **{f"aGRAPA {part}": {p: told(agrapa(y, part)) for p, y in above.items()} for part in PARTS},
        },
        "below": {p: told(run(bet_below(BOUND), y)) for p, y in below.items()},
        "wald_claims_falsely": round(float(wald(above["0.95"]).mean()), 4),
    }


def show(result):
    print("median labels until proven over 0.95 (share proven within 3,000), by true precision")
    print(f"{'':<20}" + "".join(f"{p:^16}" for p in TRUE))
    for name, row in result["above"].items():
        cells = [f"{one['median'] or '-':>5} ({one['proven']:.3f})" for one in row.values()]
        print(f"{name:<20}" + "".join(f"{cell:^16}" for cell in cells))
    cells = [f"{p}: {one['median'] or '-'} ({one['proven']:.3f})" for p, one in result["below"].items()]
    print("proven under 0.95: " + ", ".join(cells))
    print(
        f"Wald, looked at every 50 labels, at 0.95 exactly: {result['wald_claims_falsely']:.1%} false claims"
    )


if __name__ == "__main__":
    report(__doc__, measure, show, RESULT)
