"""How often is a threshold proven that does not keep its precision? On worlds whose truth is known.

python tests/simulated_thresholds.py --write

A post's score is its rank u between 0 and 1, and the chance that it is harmful a known function of u: high
in the uppermost tenth, next to nothing below. What is asked is "min threshold @ precision >= 0.95" (or
view_precision) at a confidence of 95 %; a claim is false if of all posts above the threshold fewer are
harmful. `answer` is what `sievert threshold` does.
Beside it: `split` chooses on one random half and proves on the other; `luckiest` takes the lowest threshold
whose own test is passed, whatever happened above it; `observed` the lowest whose precision looks right.
"""

import json
import sys
from pathlib import Path

import numpy as np

from sievert.measurement.power import fewest_labels
from sievert.measurement.thresholds import MISTAKES_AT_STARTS, Claim, p_value_above
from sievert.policy.sample import sample_of
from sievert.policy.threshold_answer import answer_question
from sievert.policy.threshold_query import Question

RESULTS = Path(__file__).parent / "statistical" / "thresholds.json"
REPLICATES = 1000
BOUND, CONFIDENCE = 0.95, 0.95
TOP = 0.1
GRID = (np.arange(20_000) + 0.5) / 20_000
METHODS = ("answer", "split", "luckiest", "observed")


def flat(u):
    """A precision of 0.9499 wherever the threshold stands: every claim is false."""
    return np.where(u > 1 - TOP, 0.9499, 0.001)


def falling(u):
    """All harmful at the top, 0.95 at 63 % of the way down, 0.90 at the end."""
    return np.where(u > 1 - TOP, 1 - 0.25 * (np.minimum((1 - u) / TOP, 1)) ** 1.5, 0.001)


def good(u):
    """A precision of 0.985 down to the end of the top."""
    return np.where(u > 1 - TOP, 0.985, 0.001)


def plain(harm, rng):
    u = rng.random(4_000)
    return {"p": u, "label": rng.random(len(u)) < harm(u)}


def aimed(harm, rng):
    """Draws with a probability that rises with the chance of harm, and varies besides."""
    u = rng.random(12_000)
    size = np.maximum(harm(u), 0.02) * rng.uniform(0.5, 1.5, len(u))
    q = np.minimum(1500 * size / size.sum(), 1.0)
    rows = np.flatnonzero(rng.random(len(u)) < q)
    return {
        "p": u[rows],
        "label": rng.random(len(rows)) < harm(u[rows]),
        "sampling_probability": q[rows],
    }


def balanced(harm, rng):
    """As many harmful posts as harmless ones, and the share of harm in traffic stated."""
    chance = harm(GRID)
    drawn = [
        GRID[np.searchsorted(np.cumsum(mass), rng.random(3_000) * mass.sum())]
        + rng.uniform(-2.5e-5, 2.5e-5, 3_000)
        for mass in (chance, 1 - chance)
    ]
    return {
        "p": np.clip(np.concatenate(drawn), 0, 1),
        "label": np.repeat([True, False], 3_000),
        "prevalence": float(chance.mean()),
    }


def viewed(harm, rng):
    """Plain draws of posts whose views have a heavy tail; what is asked for is the precision over views."""
    views = np.minimum((rng.pareto(1.5, 4_000) + 1) * 10, 40)
    return {**plain(harm, rng), "views": np.floor(views)}


WORLDS = {
    f"{harm.__name__}, {draw.__name__}": (harm, draw)
    for draw in (plain, aimed, balanced, viewed)
    for harm in (flat, falling, good)
}


def precision_above(harm, threshold):
    """Return which share of all posts above a threshold is harmful, and which share of all harm that is."""
    chance = harm(GRID)
    above = threshold <= GRID
    return float(chance[above].mean()), float(chance[above].sum() / chance.sum())


def _weights(sample, *, by_views):
    return sample.label_weight * (np.nan_to_num(sample.views) if by_views else 1.0)


def _scan(sample, rows, *, by_views):
    """Yield thresholds from careful to bold, each with the rows above it and the weights of a claim about them."""
    order = rows[np.argsort(-sample.p[rows], kind="stable")]
    weight = _weights(sample, by_views=by_views)
    count = fewest_labels(MISTAKES_AT_STARTS[0], precision=BOUND, delta=1 - CONFIDENCE)
    while count < len(order) and 2 * sample.harmful[order[:count]].sum() > count:
        yield float(sample.p[order[count - 1]]), order[:count], weight
        count = max(count + 1, round(count * (1.1 if sample.prevalence is None else 1.3)))


def _claim(sample, rows, weight):
    y = sample.harmful
    if sample.prevalence is None:
        return Claim(bound=BOUND, harmful=weight[rows], harmless=weight[rows])
    ones = np.ones(len(rows))
    return Claim(bound=BOUND, harmful=weight[y].max() * ones, harmless=weight[~y].max() * ones)


def luckiest(sample, rows, *, by_views):
    found = None
    for threshold, above, weight in _scan(sample, rows, by_views=by_views):
        if p_value_above(sample.harmful[above], _claim(sample, above, weight)) <= 1 - CONFIDENCE:
            found = threshold
    return found


def observed(sample, rows, *, by_views):
    found = None
    for threshold, above, weight in _scan(sample, rows, by_views=by_views):
        every = weight[above]
        if (every * sample.harmful[above]).sum() >= BOUND * every.sum():
            found = threshold
    return found


def split(sample, rng, *, by_views):
    first = rng.random(len(sample)) < 0.5
    chosen = luckiest(sample, np.flatnonzero(first), by_views=by_views)
    if chosen is None:
        return None
    above = np.flatnonzero(~first & (sample.p >= chosen))
    weight = _weights(sample, by_views=by_views)
    proven = (
        len(above) and p_value_above(sample.harmful[above], _claim(sample, above, weight)) <= 1 - CONFIDENCE
    )
    return chosen if proven else None


def thresholds(harm, draw, rng):
    """Return the threshold that each method claims, or None."""
    sample = sample_of(**draw(harm, rng))
    by_views = draw is viewed
    question = Question(goal="threshold", bounds={"view_precision" if by_views else "precision": BOUND})
    answer = answer_question("made_up", question, sample, most_views=1e9, confidence=CONFIDENCE)
    every = np.arange(len(sample))
    return {
        "answer": None if answer.found is None else answer.found.threshold,
        "split": split(sample, rng, by_views=by_views),
        "luckiest": luckiest(sample, every, by_views=by_views),
        "observed": observed(sample, every, by_views=by_views),
    }


def claims(name, replicates=REPLICATES):
    """Return how often each method claims something, how often falsely, and the mean recall of true claims."""
    harm, draw = WORLDS[name]
    counted = {method: {"claims": 0, "false": 0, "recall": 0.0} for method in METHODS}
    for replicate in range(replicates):
        rng = np.random.default_rng([replicate, sorted(WORLDS).index(name)])
        for method, threshold in thresholds(harm, draw, rng).items():
            if threshold is None:
                continue
            precision, recall = precision_above(harm, threshold)
            one = counted[method]
            one["claims"] += 1
            one["false"] += precision < BOUND
            one["recall"] += recall * (precision >= BOUND) / replicates
    for one in counted.values():
        one["recall"] = round(one["recall"], 4)
    return {"world": name, "replicates": replicates, **counted}


if __name__ == "__main__":
    found = [claims(name) for name in WORLDS]
    if "--write" in sys.argv:
        RESULTS.write_text(json.dumps(found, indent=1) + "\n")
