"""Which map from score to probability can be trusted at the top, where few posts are harmful?

    python benchmarks/calibration.py --repetitions 160 --write

Worlds whose true probabilities are known, so that errors are exact and not estimated: scores of harmless and
harmful posts are normal, 2.5 to 4 apart, 0.4 or 0.8 % of posts are harmful, and the model's logit is right,
off by slope and shift, bent, or blind to a few harmless posts that look harmful. Every map is fitted to the
same labels: 50,000 of which half are harmful, whose weights are known, or 1,000, 5,000 and 50,000 as they come.

Then worlds of groups, whose logits are off each by its own slope and shift; the second column of groups
changes nothing. MCGrad (Tax et al. 2026) takes part if it is installed (`pip install --group bench-groups`).
Last the prevalence from scores alone, and the highest of four heads.

`top` is the mean distance between stated and true probability among posts with a stated one of 0.5 or more;
`precision` that of removing from 0.95 on, over all worlds, `broken` in how many it is below 0.95, `found` the
share of harmful posts that it finds.
"""

import time
import warnings
from pathlib import Path

import numpy as np

from repeated import report
from sievert.calibration.beta import fit_beta
from sievert.calibration.fitting import fit_logit_map, fit_temperature
from sievert.calibration.highest import fit_highest
from sievert.calibration.isotonic import fit_isotonic
from sievert.calibration.multicalibration import fit_multicalibration
from sievert.calibration.unknown_prior import estimate_prevalence
from sievert.calibration.venn_abers import fit_venn_abers
from sievert.errors import InvalidField
from sievert.measurement.group_calibration import group_calibration, worst_group
from sievert.measurement.reliability import reliability

RESULT = Path(__file__).parent / "results" / "calibration.json"
SEPARATIONS = (2.5, 3.0, 3.5, 4.0)
PREVALENCES = (0.004, 0.008)
DISTORTIONS = ("right", "slope and shift", "bent", "blind")
SAMPLES = ("50,000 balanced", "1,000 natural", "5,000 natural", "50,000 natural")
CUT, TOP = 0.95, 0.5
BLIND = 0.002  # of harmless posts look like harmful ones, but for this distance
NEARER = 0.7
STEP = 0.005

GROUP_SHARES = np.array([0.5, 0.2, 0.15, 0.1, 0.04, 0.01])
SURFACES = 3
GROUP_SHIFT, GROUP_SLOPE, GROUP_PREVALENCE = 0.8, (0.8, 1.25), 0.5
GROUP_SAMPLES = ("50,000 balanced", "50,000 natural")
AUDIT = 200_000


def logit(p):
    return np.log(p) - np.log1p(-p)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def normal(x, mean):
    return np.exp(-((x - mean) ** 2) / 2) / np.sqrt(2 * np.pi)


class World:
    """Posts at s, which only the world knows; the model's logit z of s."""

    def __init__(self, separation, prevalence, distortion):
        self.separation, self.prevalence, self.distortion = separation, prevalence, distortion
        s = np.arange(-6, separation + 6, STEP)
        harmful, harmless = normal(s, separation), normal(s, 0.0)
        if distortion == "blind":
            harmless = (1 - BLIND) * harmless + BLIND * normal(s, separation - NEARER)
        caught, mass = prevalence * harmful, prevalence * harmful + (1 - prevalence) * harmless
        self.z, self.mass, self.true = self.model(s), mass * STEP, caught / mass

    def model(self, s):
        z = self.separation * (s - self.separation / 2)
        match self.distortion:
            case "slope and shift":
                return 1.5 * z + 0.8
            case "bent":
                return np.where(z > 0, 3 * np.arcsinh(np.maximum(z, 0) / 3), z)
        return z

    def draw(self, rng, y):
        s = rng.normal(self.separation * y, 1.0)
        if self.distortion == "blind":
            odd = ~y & (rng.random(len(y)) < BLIND)
            s[odd] += self.separation - NEARER
        return self.model(s)


def labels(rng, kind, prevalence):
    """Return labels of a sample, and the prevalence that must be told because its weights do not tell it."""
    size, way = kind.split(" ")
    count = int(size.replace(",", ""))
    if way == "balanced":
        return np.arange(count) < count // 2, prevalence
    return rng.random(count) < prevalence, None


METHODS = {
    "the truth": None,
    "no prior correction": lambda z, y, _: fit_logit_map(z, y, prevalence=0.5).apply,
    "temperature": lambda z, y, at: fit_temperature(z, y, prevalence=at, was=0.5).apply,
    "Platt": lambda z, y, at: fit_logit_map(z, y, prevalence=at).apply,
    "Platt in 4 pieces": lambda z, y, at: fit_logit_map(z, y, prevalence=at, pieces=4).apply,
    "beta": lambda z, y, at: fit_beta(z, y, prevalence=at).apply,
    "beta, as published": lambda z, y, at: fit_beta(z, y, prevalence=at, unseen=False).apply,
    "isotonic": lambda z, y, at: fit_isotonic(z, y, prevalence=at).apply,
    "Venn-Abers p0": lambda z, y, at: fit_venn_abers(z, y, prevalence=at).apply,
    "Venn-Abers merged": lambda z, y, at: fit_venn_abers(z, y, prevalence=at).merged,
}


def judged(stated, true, mass):
    """Return (top error, removed, harmful among them) of stated probabilities on the world's own posts."""
    top, cut = stated >= TOP, stated >= CUT
    error = float(mass[top] @ np.abs(stated - true)[top] / mass[top].sum()) if top.any() else None
    return error, float(mass[cut].sum()), float((mass * true)[cut].sum())


def told(rows, harmful):
    """Sum up rows of `judged`; None is a refusal. `harmful` is the mass of harmful posts in all worlds."""
    done = [row for row in rows if row is not None]
    errors = [row[0] for row in done if row[0] is not None]
    removed, caught = sum(row[1] for row in done), sum(row[2] for row in done)
    return {
        "refused": len(rows) - len(done),
        "top": round(float(np.mean(errors)), 4) if errors else None,
        "precision": round(caught / removed, 4) if removed > 0 else None,
        "broken": sum(row[1] > 0 and row[2] < CUT * row[1] for row in done),
        "found": round(caught / harmful, 4),
    }


def single_maps(repetitions, rng):
    rows, harmful = {}, {}
    for number in range(repetitions):
        separation = SEPARATIONS[number % 4]
        distortion = DISTORTIONS[number // 4 % 4]
        world = World(separation, PREVALENCES[number // 16 % 2], distortion)
        for part in ("all", distortion):
            harmful[part] = harmful.get(part, 0.0) + world.prevalence
        for kind in SAMPLES:
            y, at = labels(rng, kind, world.prevalence)
            z = world.draw(rng, y)
            for name, fit in METHODS.items():
                if name == "no prior correction" and at is None:
                    continue
                try:
                    stated = world.true if fit is None else fit(z, y, at)(world.z).astype(np.float64)
                    row = judged(stated, world.true, world.mass)
                except InvalidField:
                    row = None
                for part in ("all", distortion):
                    rows.setdefault((kind, part, name), []).append(row)
    found = {}
    for (kind, part, name), some in rows.items():
        found.setdefault(kind, {}).setdefault(part, {})[name] = told(some, harmful[part])
    return found


class GroupWorld:
    """Six groups, each a world with its own prevalence, slope and shift; surfaces change nothing."""

    def __init__(self, rng, separation, prevalence):
        count = len(GROUP_SHARES)
        shares = GROUP_SHARES * np.exp(rng.normal(0, GROUP_PREVALENCE, count))
        self.harmful_in = shares / shares.sum()  # a harmful post's group
        self.prevalence = prevalence
        harmless = GROUP_SHARES - prevalence * self.harmful_in
        self.harmless_in = harmless / harmless.sum()
        self.separation = separation
        self.slope = rng.uniform(*GROUP_SLOPE, count)
        self.shift = rng.normal(0, GROUP_SHIFT, count)
        s = np.arange(-6, separation + 6, STEP)
        caught = prevalence * self.harmful_in[:, None] * normal(s, separation)
        mass = caught + (1 - prevalence) * self.harmless_in[:, None] * normal(s, 0.0)
        z = self.slope[:, None] * separation * (s - separation / 2) + self.shift[:, None]
        # Surfaces are even, and every surface has the same posts.
        self.z = np.repeat(z.ravel(), SURFACES)
        self.mass = np.repeat((mass * STEP).ravel(), SURFACES) / SURFACES
        self.true = np.repeat((caught / mass).ravel(), SURFACES)
        group = np.repeat(np.repeat(np.arange(count), len(s)), SURFACES)
        self.groups = np.stack([group, np.arange(len(group)) % SURFACES], axis=1)

    def draw(self, rng, y):
        group = np.where(
            y,
            rng.choice(len(GROUP_SHARES), len(y), p=self.harmful_in),
            rng.choice(len(GROUP_SHARES), len(y), p=self.harmless_in),
        )
        s = rng.normal(self.separation * y, 1.0)
        z = self.slope[group] * self.separation * (s - self.separation / 2) + self.shift[group]
        return z, np.stack([group, rng.integers(0, SURFACES, len(y))], axis=1)


def for_all(z, _, y, at):
    one = fit_logit_map(z, y, prevalence=at)
    return lambda z, _: one.apply(z)


def by_group(z, groups, y, at):
    """One map for each language, and that of all for those with too few labels."""
    maps = {None: fit_logit_map(z, y, prevalence=at)}
    weight = np.where(y, at / y.sum(), (1 - at) / (~y).sum()) if at else np.ones(len(y))
    for group in range(len(GROUP_SHARES)):
        mine = groups[:, 0] == group
        if mine.any() and y[mine].any() and (~y[mine]).any():
            maps[group] = fit_logit_map(z[mine], y[mine], weight[mine])

    def apply(z, groups):
        out = maps[None].apply(z)
        for group, one in maps.items():
            if group is not None:
                out[groups[:, 0] == group] = one.apply(z[groups[:, 0] == group])
        return out

    return apply


def corrected(**options):
    def fit(z, groups, y, at):
        first = fit_logit_map(z, y, prevalence=at)
        then = fit_multicalibration(first.logits(z), groups, y, prevalence=at, **options)
        return lambda z, groups: then.apply(first.logits(z), groups)

    return fit


def mcgrad(z, groups, y, at):
    import pandas as pd
    from mcgrad import methods

    first = fit_logit_map(z, y, prevalence=at)
    weight = np.where(y, at / y.sum(), (1 - at) / (~y).sum()) * len(y) if at else np.ones(len(y))

    def frame(z, groups):
        columns = {"p": sigmoid(first.logits(z)), "language": groups[:, 0], "surface": groups[:, 1]}
        return pd.DataFrame(columns).astype({"language": str, "surface": str})

    model = methods.MCGrad(monotone_t=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names = {"categorical_feature_column_names": ["language", "surface"]}
        model.fit(
            frame(z, groups).assign(y=y.astype(int), w=weight), "p", "y", weight_column_name="w", **names
        )
    return lambda z, groups: np.asarray(model.predict(frame(z, groups), "p", **names))


GROUP_METHODS = {
    "one map for all": for_all,
    "a map a group": by_group,
    "multicalibration": corrected(),
    "multicalibration, 1 level": corrected(levels=1),
}


def grouped(repetitions, rng):
    methods = dict(GROUP_METHODS)
    try:
        import mcgrad as _  # noqa: F401
    except ImportError:
        print("MCGrad is not installed and does not take part.")
    else:
        methods["MCGrad"] = mcgrad
    rows, harmful, best, seconds = {}, 0.0, 0.0, {}
    for number in range(repetitions):
        world = GroupWorld(rng, SEPARATIONS[number % 4], PREVALENCES[number // 4 % 2])
        language = world.groups[:, 0]
        harmful += world.prevalence
        best += judged(world.true, world.true, world.mass)[2]
        audit = rng.random(AUDIT) < world.prevalence
        audit_z, audit_groups = world.draw(rng, audit)
        for kind in GROUP_SAMPLES:
            y, at = labels(rng, kind, world.prevalence)
            z, groups = world.draw(rng, y)
            for name, fit in methods.items():
                began = time.process_time()
                apply = fit(z, groups, y, at)
                seconds.setdefault((kind, name), []).append(time.process_time() - began)
                stated = apply(world.z, world.groups).astype(np.float64)
                each = [
                    judged(stated[language == g], world.true[language == g], world.mass[language == g])
                    for g in range(len(GROUP_SHARES))
                ]
                p = apply(audit_z, audit_groups)
                share = float(audit.mean())
                worst = worst_group(group_calibration(audit, p, audit_groups[:, 0], prevalence=share))
                expected = reliability(audit, p, prevalence=share).expected_error
                rows.setdefault((kind, name), []).append(
                    (judged(stated, world.true, world.mass), each, worst.ecce / worst.ecce_noise, expected)
                )
    found = {}
    for (kind, name), some in rows.items():
        worst_tops = [max(g[0] for g in each if g[0] is not None) for _, each, _, _ in some]
        precisions = [g[2] / g[1] for _, each, _, _ in some for g in each if g[1] > 0]
        found.setdefault(kind, {})[name] = {
            **told([row for row, *_ in some], harmful),
            "of_the_truth": round(sum(row[2] for row, *_ in some) / best, 3),
            "worst_group_top": round(float(np.mean(worst_tops)), 4),
            "groups_broken": round(float(np.mean(np.array(precisions) < CUT)), 4),
            "lowest_precision": round(float(np.min(precisions)), 3),
            "worst_ecce_over_noise": round(float(np.mean([row[2] for row in some])), 2),
            "expected_error": round(float(np.mean([row[3] for row in some])), 5),
            "seconds": round(float(np.mean(seconds[kind, name])), 2),
        }
    return found


def prevalences(repetitions, rng):
    """Tell the prevalence of 200,000 posts by their scores: of raw logits, and of calibrated and checked ones."""
    found = {}
    for number in range(repetitions):
        distortion = DISTORTIONS[number // 4 % 4]
        world = World(SEPARATIONS[number % 4], PREVALENCES[number // 16 % 2], distortion)
        y = np.arange(50_000) < 25_000
        z, traffic = world.draw(rng, y), world.draw(rng, rng.random(AUDIT) < world.prevalence)
        ways = {"raw": (z, traffic, None), "raw, checked": (z, traffic, (z, y))}
        for name, pieces in (("Platt", 1), ("4 pieces", 4)):
            one = fit_logit_map(z, y, prevalence=0.5, pieces=pieces)
            ways[f"{name}, checked"] = (one.logits(z), one.logits(traffic), (one.logits(z), y))
        for name, (_, logits, labelled) in ways.items():
            try:
                share = estimate_prevalence(logits, was=0.5, labelled=labelled).share
            except InvalidField:
                share = None
            found.setdefault((distortion, name), []).append(
                None if share is None else share / world.prevalence
            )
    table = {}
    for (distortion, name), ratios in found.items():
        given = [ratio for ratio in ratios if ratio is not None]
        table.setdefault(distortion, {})[name] = {
            "refused": f"{len(ratios) - len(given)} of {len(ratios)}",
            "lowest": round(min(given), 2) if given else None,
            "highest": round(max(given), 2) if given else None,
        }
    return table


def heads(repetitions, rng):
    """Four heads, each calibrated for its own policy: is the highest right about harm of any kind?"""
    rows = {"the highest": [], "recalibrated": []}
    for _ in range(repetitions):
        draws = []
        for _ in range(2):
            common = rng.normal(size=(400_000, 1))
            p = sigmoid(-8.5 + 2.0 * (1.2 * common + rng.normal(size=(400_000, 4))))
            draws.append((p, (rng.random(p.shape) < p).any(axis=1), 1 - (1 - p).prod(axis=1)))
        (p, y, _), (fresh, _, true) = draws
        for name, stated in (
            ("the highest", fresh.max(axis=1)),
            ("recalibrated", fit_highest(p[:50_000], y[:50_000]).apply(fresh).astype(np.float64)),
        ):
            gap = stated - true
            top = stated >= TOP
            rows[name].append((float(gap[top].mean()), float(stated.mean() / true.mean())))
    return {
        name: {"top, stated less true": round(a, 4), "mean stated over true": round(b, 4)}
        for name, (a, b) in ((name, np.mean(some, axis=0)) for name, some in rows.items())
    }


def measure(repetitions, rng):
    return {
        "repetitions": repetitions,
        "maps": single_maps(repetitions, rng),
        "groups": grouped(max(repetitions // 4, 1), rng),
        "prevalence": prevalences(max(repetitions // 2, 1), rng),
        "heads": heads(max(repetitions // 16, 1), rng),
    }


def show(result):
    for kind, parts in result["maps"].items():
        for part, methods in parts.items():
            print(f"\n{kind}, {part}")
            rows(methods, ("refused", "top", "precision", "broken", "found"))
    for kind, methods in result["groups"].items():
        print(f"\ngroups, {kind}")
        rows(methods, tuple(next(iter(methods.values()))))
    for distortion, methods in result["prevalence"].items():
        print(f"\nprevalence told over true, {distortion}")
        rows(methods, ("refused", "lowest", "highest"))
    print("\nheads")
    rows(result["heads"], tuple(next(iter(result["heads"].values()))))


def rows(methods, columns):
    print(f"{'':<27}" + "".join(f"{column[:21]:>23}" for column in columns))
    for name, line in methods.items():
        print(f"{name:<27}" + "".join(f"{line[column]!s:>23}" for column in columns))


if __name__ == "__main__":
    report(__doc__, measure, show, RESULT)
