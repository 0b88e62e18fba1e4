"""Is a candidate that acts found better, stopped where it is worse, left alone where it is equal? By whole experiments.

    python benchmarks/acting.py --repetitions 40 --write

12,000 creators fall to either arm. Each publishes on every day of 14, some much, some little, and some write most of the
harm: 0.8 % of posts. Views follow a power law that is capped; of what the bundle of its arm demotes one view in five
is left. Both bundles' scores err alike where posts are hard, with calibrated probabilities, and act from the line at which, in the
long run, 70 % of what lies above is harmful; they would remove from a line of 97 %. "Equal" is equal in the long run. The "bold" candidate takes for
probable what is not: it acts, and would remove, from lower scores. Posts are watched and drawn from as a server does it; all is judged after each day,
and somebody looks after each day, until the candidate is stopped, or found better, or the labels are spent.

A claim is false where the candidate is equal; of others it is false if it is the opposite of what is so.
Claims of equals are counted among 2,400 creators, where there is less to average; "by one look" is the same with the
bounds of a single look at each.
"""

from pathlib import Path

import numpy as np

from repeated import report
from sievert.measurement.acting import JudgedDraws, Watched, found_by_acting
from sievert.measurement.designs import views_sqrt_p
from sievert.schema.experiment import ActingAnswer, StopRules

RESULT = Path(__file__).parent / "results" / "acting.json"
CREATORS, FEW_CREATORS, DAYS, A_DAY, RATE = 12_000, 2400, 14, 4.0, 0.008
TAIL, MOST_VIEWS, LEFT = 1.3, 100.0, 0.2
ALIKE, CONTROL = 0.7, 3.0
CANDIDATES = {"much better": (4.5, 0.0), "better": (3.6, 0.0), "equal": (3.0, 0.0)}
CANDIDATES |= {"worse": (2.3, 0.0), "bold": (3.0, 1.6)}
ACT, REMOVE, GUARDRAIL, DELTA, LABELS = 0.70, 0.97, 0.90, 0.05, 8000
WATCHED = 0.05
RULES = StopRules(days=DAYS, labels=LABELS)


def believed(score, separation):
    """Return the calibrated probability at a score, by Bayes."""
    return 1 / (1 + (1 - RATE) / RATE * np.exp(-separation * score + separation**2 / 2))


class World:
    """Posts of all days, with the truth, both scores, and the views that the acting arm leaves."""

    def __init__(self, rng, separation, boldness, creators=CREATORS):
        much = rng.lognormal(0, 1, creators)
        counts = rng.poisson(np.outer(A_DAY * much / much.mean(), np.ones(DAYS)))
        creator, day = (np.repeat(one.ravel(), counts.ravel()) for one in np.indices(counts.shape))
        bad = rng.gamma(0.3, 1, creators)
        rate = np.minimum(RATE * bad / (bad * much).sum() * much.sum(), 0.9)
        self.harmful = rng.random(len(creator)) < rate[creator]
        noise = rng.standard_normal((3, len(creator)))
        shared, own = ALIKE**0.5, (1 - ALIKE) ** 0.5
        scores = [
            mean * self.harmful + shared * noise[0] + own * noise[n]
            for n, mean in ((1, separation), (2, CONTROL))
        ]
        if boldness:
            scores[0] = scores[1] + boldness
        self.p = [believed(score, mean) for score, mean in zip(scores, (separation, CONTROL), strict=True)]
        self.treated = (rng.random(creators) < 0.5)[creator]
        acted = np.where(self.treated, self.p[0] >= ACT, self.p[1] >= ACT)
        views = np.minimum(rng.pareto(TAIL, len(creator)) + 1, MOST_VIEWS)
        self.views = np.where(acted, rng.binomial(views.astype(int), LEFT), views.astype(int)).astype(float)
        self.acted, self.creator, self.day = acted, creator, day
        annoying = np.where(self.harmful, 0.02, 0.0005)
        self.reports = rng.poisson(self.views * annoying).astype(float)
        self.appeals = (acted & (rng.random(len(creator)) < np.where(self.harmful, 0.03, 0.3))).astype(float)
        self.heavy = rng.random(len(creator)) < 0.1

    @property
    def precision(self):
        new = self.p[0] >= REMOVE
        return float(self.views[new] @ self.harmful[new] / self.views[new].sum())


def found_at(world, rng, rules=RULES):
    """Yield what is known after each day."""
    likelier = np.maximum(*world.p)
    chance = np.where(likelier >= REMOVE, 1.0, np.maximum(WATCHED, np.sqrt(likelier)))
    kept = np.flatnonzero(rng.random(len(chance)) < chance)
    weight, views, day = 1 / chance[kept], world.views[kept], world.day[kept]
    drawn = {"post": [], "weight": [], "day": []}
    for now in range(DAYS):
        some = np.flatnonzero((day == now) & (views > 0))
        stands = views[some] * weight[some]
        size = views_sqrt_p(stands, likelier[kept][some])
        count = -(-LABELS // DAYS)
        rows = rng.choice(len(some), count, p=size / size.sum())
        drawn["post"].append(some[rows])
        drawn["weight"].append(stands[rows] / size[rows] / count)
        drawn["day"].append(np.full(count, now))
        post = np.concatenate(drawn["post"])
        past = day <= now
        yield found_by_acting(
            Watched(
                cluster=world.creator[kept],
                treated=world.treated[kept],
                weight=weight,
                views=views * past,
                judged_views=views * past,
                reports=world.reports[kept] * past,
                acted_on=world.acted[kept] & past,
                appeals=world.appeals[kept] * past,
                heavy=world.heavy[kept] & past,
                expected=((world.p[0] + world.p[1]) / 2)[kept],
                by_candidate=world.p[0][kept] >= REMOVE,
                by_control=world.p[1][kept] >= REMOVE,
            ),
            JudgedDraws(
                post=post,
                weight=np.concatenate(drawn["weight"]),
                harmful=world.harmful[kept][post],
                day=np.concatenate(drawn["day"]),
            ),
            rules=rules,
            precision_views=GUARDRAIL,
            delta=DELTA,
        )


def experiment(world, rng, rules=RULES):
    """Return (the answer that ended it, or the last one; days until then; what was known last)."""
    for day, found in enumerate(found_at(world, rng, rules), 1):
        if found.answer is not ActingAnswer.UNDECIDED:
            return found.answer, day, found
    return ActingAnswer.UNDECIDED, DAYS, found


def is_false(name, answer, world):
    wrong = {
        "better": {ActingAnswer.WORSE},
        "much better": {ActingAnswer.WORSE},
        "equal": {ActingAnswer.BETTER, ActingAnswer.WORSE},
        "worse": {ActingAnswer.BETTER},
        "bold": set(),
    }[name]
    return answer in wrong or (answer is ActingAnswer.TOO_IMPRECISE and world.precision >= GUARDRAIL)


def answered(repetitions, rng):
    found = {}
    for name, how in CANDIDATES.items():
        answers, days, false, realised, dispute = [], [], 0, [], []
        for _ in range(repetitions):
            world = World(rng, *how)
            answer, used, known = experiment(world, rng)
            answers.append(answer)
            days.append(used)
            false += is_false(name, answer, world)
            realised.append(known.realised.value)
            dispute.append(known.prevented.value)
        found[name] = {
            **{one.value: round(answers.count(one) / repetitions, 4) for one in ActingAnswer},
            "false": round(false / repetitions, 4),
            "median_days": int(np.median(days)),
            "realised_in_10000": round(float(np.mean(realised)) * 10_000, 2),
            "prevented_in_10000": round(float(np.mean(dispute)) * 10_000, 2),
        }
    return found


def equals(repetitions, rng):
    """Of equal bundles, among fewer creators: how often is anything ever claimed, looked at after every day?

    "By one look": with the bounds of a single look at each of them.
    """
    claims = {"better or worse": 0, "guard": 0, "too imprecise": 0, "better or worse, by one look": 0}
    told = {ActingAnswer.GUARD: "guard", ActingAnswer.TOO_IMPRECISE: "too imprecise"}
    for _ in range(repetitions):
        world = World(rng, *CANDIDATES["equal"], creators=FEW_CREATORS)
        for rules, after in ((RULES, ""), (StopRules(days=1, labels=LABELS), ", by one look")):
            answers = {one.answer for one in found_at(world, rng, rules)} - {ActingAnswer.UNDECIDED}
            for name in {told.get(one, "better or worse") + after for one in answers} & claims.keys():
                claims[name] += 1
    return {name: round(count / repetitions, 4) for name, count in claims.items()}


def measure(repetitions, rng):
    return {
        "repetitions": repetitions,
        "delta": DELTA,
        "days": DAYS,
        "labels": LABELS,
        "answers": answered(repetitions, rng),
        "claims_of_equals": equals(5 * repetitions, rng),
    }


def show(result):
    for name, one in result["answers"].items():
        said = "  ".join(f"{word} {one[word]:.1%}" for word in map(str, ActingAnswer) if one[word])
        print(
            f"{name:<16} {said}  false {one['false']:.1%}  median {one['median_days']} days  (realised "
            f"{one['realised_in_10000']:+.2f}, by disputes {one['prevented_in_10000']:+.2f} in 10,000 views)"
        )
    print("claims of equals:", result["claims_of_equals"])


if __name__ == "__main__":
    report(__doc__, measure, show, RESULT)
