"""Is a better candidate found better, a worse one refused, an equal one left alone? By experiments, watched throughout.

    python benchmarks/experiments.py --repetitions 1000 --write

In each world control and candidate score the same posts, of which 0.8 % are harmful and views follow a power law
that is capped; both err alike where posts are hard. Each removes from the score at which, in the long run, 97 % of
what it removes is harmful; the "bold" candidate is the control with a lower line, of 80 %. Of every ten draws seven go
to disputed posts, three to what both remove. "Equal" is equal in the long run; in no window
exactly, and first it was found better in 10.5 % of 400 windows, where nearly always it was: since then an answer must
exceed what the chance of a window brings. Somebody looks after every 25 draws and stops at the first answer. An answer
is false if the truth in that very world is another.

"Union" draws from all that either would remove, with as many labels: the variance of the difference is compared.
"t, peeking" looks at Student's interval as often, for the same difference.
"""

import functools
import itertools
import math
from pathlib import Path

import numpy as np

from repeated import report
from sievert.measurement.experiments import (
    Dispute,
    ExperimentAnswer,
    Judgements,
    arms_difference,
    disputes,
    judge,
)
from sievert.measurement.running_mean import evidence_over

RESULT = Path(__file__).parent / "results" / "experiments.json"
POSTS, RATE = 400_000, 0.008
TAIL, MOST_VIEWS = 1.3, 100.0
ALIKE = 0.7  # how much of the variance of a score's noise both models share
LIKENESSES = (0.5, 0.7, 0.9)
CONTROL, PRECISION, BOLD = 3.0, 0.97, 0.80
CANDIDATES = {"better": (3.5, PRECISION), "slightly better": (3.2, PRECISION), "equal": (3.0, PRECISION)}
CANDIDATES |= {"worse": (2.5, PRECISION), "bold": (3.0, BOLD)}
GUARDRAIL, DELTA = 0.90, 0.05
DRAWS, LOOK, DISPUTED = 3000, 25, 0.7


@functools.cache
def line(separation, precision):
    """Return the score from which so many of what is removed are harmful, in the long run."""
    scores = np.linspace(-2, 10, 24_001)
    tail = [
        0.5 * np.array([math.erfc((one - mean) / 2**0.5) for one in scores]) for mean in (separation, 0.0)
    ]
    share = RATE * tail[0] / (RATE * tail[0] + (1 - RATE) * tail[1])
    return float(scores[np.argmax(share >= precision)])


class World:
    """Posts that either model would remove, with the truth, and their views as shares of all."""

    def __init__(self, rng, separation, precision, alike=ALIKE):
        noise = rng.standard_normal((3, POSTS), np.float32)
        harmful = rng.random(POSTS) < RATE
        views = np.minimum(rng.pareto(TAIL, POSTS) + 1, MOST_VIEWS)
        shared, own = alike**0.5, (1 - alike) ** 0.5
        scores = [
            mean * harmful + shared * noise[0] + own * noise[n] for n, mean in ((1, separation), (2, CONTROL))
        ]
        if precision == BOLD:
            scores[0] = scores[1]  # the same model with another line
        masks = disputes(scores[0] >= line(separation, precision), scores[1] >= line(CONTROL, PRECISION))
        every = masks[Dispute.BOTH] | masks[Dispute.CANDIDATE] | masks[Dispute.CONTROL]
        self.masks = {name: mask[every] for name, mask in masks.items()}
        self.harmful, self.views = harmful[every], views[every] / views.sum()
        self.sign = self.masks[Dispute.CANDIDATE].astype(float) - self.masks[Dispute.CONTROL]
        self.prevented = float((self.sign * self.views) @ self.harmful)
        new = self.masks[Dispute.BOTH] | self.masks[Dispute.CANDIDATE]
        self.precision = float(self.views[new] @ self.harmful[new] / self.views[new].sum())

    def share(self, name):
        return float(self.views[self.masks[name]].sum())

    def drawn(self, rng, mask, count):
        rows = np.flatnonzero(mask)
        ends = np.cumsum(self.views[rows])
        return rows[np.minimum(np.searchsorted(ends, rng.random(count) * ends[-1]), len(rows) - 1)]

    @property
    def disputed(self):
        return self.masks[Dispute.CANDIDATE] | self.masks[Dispute.CONTROL]


def experiment(world, rng):
    """Return (the first answer, draws until then); undecided after all draws."""
    disputed = world.drawn(rng, world.disputed, round(DRAWS * DISPUTED))
    agreed = world.drawn(rng, world.masks[Dispute.BOTH], DRAWS - len(disputed))
    for draws in range(LOOK, DRAWS + 1, LOOK):
        some, both = disputed[: round(draws * DISPUTED)], agreed[: round(draws * (1 - DISPUTED))]
        strata = {
            name: Judgements(
                views=world.share(name),
                judged=int(world.masks[name][rows].sum()),
                harmful=int((world.masks[name] & world.harmful)[rows].sum()),
                spread=float(np.sqrt((world.views[world.masks[name]] ** 2).sum())),
            )
            for name, rows in ((Dispute.BOTH, both), (Dispute.CANDIDATE, some), (Dispute.CONTROL, some))
        }
        found = judge(
            strata[Dispute.BOTH],
            strata[Dispute.CANDIDATE],
            strata[Dispute.CONTROL],
            precision_views=GUARDRAIL,
            delta=DELTA,
        )
        if found.answer is not ExperimentAnswer.UNDECIDED:
            return found.answer, draws
    return ExperimentAnswer.UNDECIDED, DRAWS


def is_false(answer, world):
    """Tell whether an answer is not so in its world."""
    return {
        ExperimentAnswer.BETTER: world.prevented <= 0 or world.precision < GUARDRAIL,
        ExperimentAnswer.WORSE: world.prevented >= 0,
        ExperimentAnswer.TOO_IMPRECISE: world.precision >= GUARDRAIL,
        ExperimentAnswer.UNDECIDED: False,
    }[answer]


def answered(repetitions, rng):
    found = {}
    for name, (separation, precision) in CANDIDATES.items():
        answers, draws, false, truths = [], [], 0, []
        for _ in range(repetitions):
            world = World(rng, separation, precision)
            answer, used = experiment(world, rng)
            answers.append(answer)
            draws.append(used)
            false += is_false(answer, world)
            truths.append((world.prevented, world.precision))
        known = [
            used for one, used in zip(answers, draws, strict=True) if one is not ExperimentAnswer.UNDECIDED
        ]
        found[name] = {
            **{str(one): round(answers.count(one) / repetitions, 4) for one in ExperimentAnswer},
            "false": round(false / repetitions, 4),
            "median_draws": int(np.median(known)) if known else None,
            "prevented_more_in_10000": round(float(np.mean([one for one, _ in truths])) * 10_000, 2),
            "precision_views": round(float(np.mean([one for _, one in truths])), 4),
        }
    return found


def variance_saved(rng, labels=1000, repetitions=400):
    """Return how many times the variance of the difference is larger if all that either removes is drawn from."""
    found = {}
    for name, alike in itertools.product(("slightly better", "better"), LIKENESSES):
        world = World(rng, *CANDIDATES[name], alike)
        estimates = {}
        for way, mask in (("disputed", world.disputed), ("union", np.ones(len(world.views), bool))):
            share = float(world.views[mask].sum())
            estimates[way] = [
                share * float((world.sign * world.harmful)[world.drawn(rng, mask, labels)].mean())
                for _ in range(repetitions)
            ]
        found[f"{name}, alike {alike:g}"] = round(
            float(np.var(estimates["union"]) / np.var(estimates["disputed"])), 2
        )
    return found


def peeking(repetitions, rng, draws=2000):
    """Of two that are exactly alike: how often is one ever claimed to be better or worse, looking after every draw?"""
    outcomes = rng.choice([-1.0, 0.0, 1.0], (repetitions, draws), p=[0.45, 0.1, 0.45])
    over = evidence_over(outcomes, 0.0, least=-1.0) >= np.log(2 / DELTA)
    under = evidence_over(-outcomes, 0.0, least=-1.0) >= np.log(2 / DELTA)
    count = np.arange(1, draws + 1)
    mean = outcomes.cumsum(axis=1) / count
    spread = np.sqrt(np.maximum((outcomes**2).cumsum(axis=1) / count - mean**2, 1e-12) / count)
    t = (np.abs(mean) > 1.96 * spread)[:, 50::LOOK]
    return {
        "ours": round(float((over | under).any(axis=1).mean()), 4),
        "t_peeking": round(float(t.any(axis=1).mean()), 4),
    }


def arms(repetitions, rng, clusters=400):
    """How often the interval of arms that do not differ excludes that, looking after every tenth cluster."""
    false = 0
    for _ in range(repetitions):
        size = rng.lognormal(3, 1, clusters)
        value = rng.poisson(size * rng.gamma(2, 0.01, clusters))
        treated = rng.random(clusters) < 0.5
        false += any(
            one.low is not None and not one.low <= 0 <= one.high
            for n in range(60, clusters + 1, 10)
            for one in [arms_difference(value[:n], size[:n], treated[:n], share=0.5, delta=DELTA)]
        )
    return round(false / repetitions, 4)


def measure(repetitions, rng):
    return {
        "repetitions": repetitions,
        "delta": DELTA,
        "draws": DRAWS,
        "answers": answered(repetitions, rng),
        "variance_of_union": variance_saved(rng),
        "false_when_peeking": peeking(max(repetitions, 2000), rng),
        "false_of_arms": arms(repetitions, rng),
    }


def show(result):
    for name, one in result["answers"].items():
        print(
            f"{name:<16} better {one['better']:.1%}  worse {one['worse']:.1%}  too imprecise "
            f"{one['too imprecise']:.1%}  undecided {one['undecided']:.1%}  false {one['false']:.1%}  "
            f"median draws {one['median_draws']}  ({one['prevented_more_in_10000']:+.2f} of 10,000 views, precision {one['precision_views']:.1%})"
        )
    print("variance of the union over that of disputed:", result["variance_of_union"])
    print("false when peeking:", result["false_when_peeking"], "arms:", result["false_of_arms"])


if __name__ == "__main__":
    report(__doc__, measure, show, RESULT)
