"""Scores whose truth is known, drawn at the sizes of the model card, to see how often intervals hold it.

python tests/simulated_scores.py --write    # some fifteen minutes; writes tests/statistical/coverage.json
"""

import json
import math
import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from unittest import mock

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student

from sievert.measurement import ranking, reliability
from sievert.measurement.prevalence import natural_weights

RESULTS = Path(__file__).parent / "statistical" / "coverage.json"
PREVALENCE = 0.01
SHARE = 0.005
SURE = 0.5

MODELS = {
    "weak": lambda rng, y: rng.normal(1.2 * y, 1.0),
    "middling": lambda rng, y: rng.normal(2.0 * y, 1.0),
    "strong": lambda rng, y: rng.normal(3.5 * y, 1.0),
    "heavy tails": lambda rng, y: rng.standard_t(3, len(y)) + 4.0 * y,
    "rounded": lambda rng, y: np.round(rng.normal(2.5 * y, 1.0) * 2) / 2,
    "mislabelled": lambda rng, y: rng.normal(3.0 * (y | (rng.random(len(y)) < 0.02)), 1.0),
}
ABOVE = {
    "weak": lambda edge, harmful: norm.sf(edge - 1.2 * harmful),
    "middling": lambda edge, harmful: norm.sf(edge - 2.0 * harmful),
    "strong": lambda edge, harmful: norm.sf(edge - 3.5 * harmful),
    "heavy tails": lambda edge, harmful: student.sf(edge - 4.0 * harmful, 3),
    "rounded": lambda edge, harmful: norm.sf((np.ceil(2 * edge) - 0.5) / 2 - 2.5 * harmful),
    "mislabelled": lambda edge, harmful: (
        norm.sf(edge - 3.0) if harmful else 0.98 * norm.sf(edge) + 0.02 * norm.sf(edge - 3.0)
    ),
}
"""The share of each class that scores at least so high."""

SIZES = {
    (84, 238): 200,
    (135, 661): 200,
    (213, 202): 200,
    (975, 133): 200,
    (104, 1_172): 200,
    (954, 3_001): 50,
    (542, 12_747): 12,
    (13_228, 16_142): 8,
}
"""(harmful, harmless) as in the model card: how many samples are drawn."""

NUMBERS = ("pr_auc", "recall", "precision", "observed", "observed_sure")


def draw(model, harmful, harmless, seed):
    """Return labels and scores; a score above 3.5 is more likely harmful than not, or so it says."""
    y = np.arange(harmful + harmless) < harmful
    return y, MODELS[model](np.random.default_rng(seed), y)


def stated(score):
    return 1 / (1 + np.exp(7.0 - 2.0 * score))


def at_least(probability):
    """Return the lowest score that states so much."""
    with np.errstate(divide="ignore"):
        return (7.0 + np.log(probability) - np.log1p(-probability)) / 2


@cache
def truth(model):
    """Return what a sample of millions says of the order, and what the distributions say of the bins."""
    y, score = draw(model, 2_000_000, 2_000_000, 0)
    report = ranking.measure_ranking(y, score, prevalence=PREVALENCE, resamples=0)
    edges = [at_least(probability) for probability in reliability.EDGES]
    inside = [-np.diff([ABOVE[model](edge, harmful) for edge in edges]) for harmful in (False, True)]
    with np.errstate(invalid="ignore"):
        observed = PREVALENCE * inside[1] / (PREVALENCE * inside[1] + (1 - PREVALENCE) * inside[0])
    return numbers(report) | {"bins": dict(zip(reliability.EDGES[:-1], observed, strict=True))}


def numbers(report):
    point = next(one for one in report.at_shares if one.share == SHARE)
    found = {"pr_auc": report.pr_auc, "recall": point.recall, "precision": point.precision}
    return {name: one if one.low is not None else one.value for name, one in found.items()}


def held(true, low, high):
    return bool(low - 1e-9 <= true <= high + 1e-9)


def coverage(model, harmful, harmless, *, samples, resamples=200):
    """Return for each number [held, tried], and the mean width of the interval of PR-AUC."""
    true = truth(model)
    counts = {name: [0, 0] for name in NUMBERS}
    width = 0.0
    for seed in range(1, samples + 1):
        y, score = draw(model, harmful, harmless, seed)
        found = numbers(
            ranking.measure_ranking(y, score, prevalence=PREVALENCE, resamples=resamples, seed=seed)
        )
        width += found["pr_auc"].high - found["pr_auc"].low
        for name, one in found.items():
            if one is not None:
                counts[name][0] += held(true[name], one.low, one.high)
                counts[name][1] += 1
        for one in reliability.reliability(y, stated(score), prevalence=PREVALENCE).bins:
            inside = held(true["bins"][one.low], one.observed_low, one.observed_high)
            for name in ("observed", "observed_sure") if one.low >= SURE else ("observed",):
                counts[name][0] += inside
                counts[name][1] += 1
    return {"model": model, "harmful": harmful, "harmless": harmless, "width": width / samples, **counts}


def plain_bootstrap(natural, y, groups, *, prevalence, resamples, seed):
    """Yield what an ordinary stratified bootstrap draws: posts that were seen, and nothing else."""
    rng = np.random.default_rng(seed)
    seen = np.zeros((resamples, len(y)))
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        seen[:, rows] = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), resamples)
    seen *= natural
    for is_class, share in ((~y, 1.0 - prevalence), (y, prevalence)):
        seen[:, is_class] *= share / seen[:, is_class].sum(axis=1, keepdims=True)
    nothing = np.zeros((resamples, 1))
    yield seen, nothing, nothing


def wilson(y, mine, weight, *, prevalence, rng):
    """Return Wilson's interval as if a bin were one sample, at the effective size of both classes together."""
    natural = natural_weights(y, prevalence=prevalence)[mine]
    share = natural[y[mine]].sum() / natural.sum()
    size, z = natural.sum() ** 2 / (natural @ natural), 1.96
    middle = (share + z * z / (2 * size)) / (1 + z * z / size)
    spread = share * (1 - share) / size + z * z / (4 * size * size)
    half = z / (1 + z * z / size) * math.sqrt(spread)
    return middle - half, middle + half


@contextmanager
def plain_intervals():
    """Measure as if nothing could exist that was not seen."""
    with (
        mock.patch.object(ranking, "_reweighted", plain_bootstrap),
        mock.patch.object(ranking, "_LEAST_REMOVED", 0),
        mock.patch.object(reliability, "_interval", wilson),
    ):
        yield


def cell(model, harmful, harmless, samples):
    measured = coverage(model, harmful, harmless, samples=samples)
    with plain_intervals():
        return measured | {"plain": coverage(model, harmful, harmless, samples=min(samples, 50))}


def written(results):
    """Return the heads and rows of a table: the share of intervals that held the truth, and the plain ones'."""

    def rate(one, name):
        inside, tried = one[name]
        return f"{inside / tried:.2f}" if tried else "no value"

    heads = [
        *("scores", "harmful", "harmless", "samples", "PR-AUC", "width of PR-AUC's"),
        *("recall at 0.5 %", "precision at 0.5 %", "all bins", "bins from 0.5"),
    ]
    rows = [
        [
            one["model"],
            f"{one['harmful']:,}",
            f"{one['harmless']:,}",
            one["pr_auc"][1],
            f"{rate(one, 'pr_auc')} ({rate(one['plain'], 'pr_auc')})",
            f"{one['width']:.3f} ({one['plain']['width']:.3f})",
            *(f"{rate(one, name)} ({rate(one['plain'], name)})" for name in NUMBERS[1:]),
        ]
        for one in results
    ]
    return heads, rows


def simulate():
    """Yield every model at every size, the smallest first."""
    jobs = [(model, *size, samples) for size, samples in SIZES.items() for model in MODELS]
    jobs.sort(key=lambda job: job[1] + job[2])
    with ProcessPoolExecutor() as pool:
        yield from pool.map(cell, *zip(*jobs, strict=True))


def main():
    """Print each cell when it is measured; with --write, keep them."""
    found = []
    for one in simulate():
        found.append(one)
        print(json.dumps(one), flush=True)  # noqa: T201 - it is a command
    if "--write" in sys.argv:
        RESULTS.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
