"""How a world goes live by certificate, and the ways that people take instead.

By certificate: a window gives labels that set probabilities right once more, and fixes the path; each
further window is an attempt, at its own part of the error budget, until one succeeds. What people call
harmless is judged again by those who do not err, so that misses cost nothing; how often a harmless post is
called harmful is bounded by posts that are known to be harmless. Every judgement counts as a label.

The other ways get the same worlds, and as many labels or more:

- `looks_good` cuts where the precision of a labelled sample looks like enough, on that sample;
- `balanced` cuts at 0.95 of a probability that was calibrated on as many harmful as harmless posts;
- `every_look` does all that the certificate does, but each look is a unit;
- `peeking` tests an untuned path in order, by Wald's interval, looked at every 50 labels;
- `retrying` tests everything above the floor, exactly, at the full error rate, until it passes.

All numbers below were fixed on worlds of other seeds before the run that is checked in. The first two
families of rules share the floor of 0.85 that policies have unless they say otherwise.
"""

import dataclasses
import math

import msgspec
import numpy as np

from score_worlds import FORECAST_CAP, LINE, POSTS, logit, sigmoid, window
from sievert.calibration.logit_map import LogitMap
from sievert.calibration.recalibrating import recalibrated
from sievert.errors import InvalidField
from sievert.measurement.binomial import at_most
from sievert.measurement.certificate import attempt_delta, prove, review_error
from sievert.measurement.crossings import Frame, at_first_crossing, before
from sievert.measurement.designs import key_for
from sievert.policy.paths import tuned_levels, tuned_path
from sievert.policy.removal import level_of
from sievert.schema.policy import Policy

POLICY = Policy(name="made_up", version=1, category="made_up", title="Made up")
LOWER = msgspec.structs.replace(POLICY, floor=0.7)
DELTA, REVIEW_PART = 0.05, 0.1  # of each attempt's delta
MISSES, FALSE_ALARMS = 0.03, 0.002  # of people who judge first
KNOWN_HARMLESS = 250
TUNING = 350  # labels
BELOW = 0.15  # how far below the floor probabilities are looked at, for labels and for new calibrations
AUDITS = (2300, 1000, 1000, 1000, 1000)  # of both halves, by attempt
LABELS = 3000
FRAME, MOST_WINDOWS = 10_000, 40.0  # windows are closed when about so many posts crossed the floor

SAMPLE = 3000  # labels of those who take no certificate
RETRIES, RETRY_AUDITS = 20, 500  # windows, and audits a half in each
LOOK_FROM, LOOK_EVERY = 200, 50
STEPS = 12  # rules on a path that nobody tuned
NORMAL_95 = 1.6449


@dataclasses.dataclass(frozen=True)
class Rule:
    """A removal rule: the family, what sets probabilities right first, and its level; None removes nothing."""

    family: str
    right: LogitMap
    lambda_views: float
    level: float | None
    policy: Policy = POLICY
    labels: int = 0
    at_3000: bool = False
    attempts: int = 0
    drawn: tuple = ()
    frame_kept: bool = True  # in the audited window itself, by the truth


UNCHANGED = recalibrated([], [])


def probabilities(right, looks):
    return right.apply(looks.stated).astype(np.float64)


def levels(family, p, views, lambda_views, policy=POLICY):
    if family == "path":
        level = level_of(
            p.ravel().astype(np.float32), views.ravel().astype(np.float32), policy, lambda_views=lambda_views
        )
        return level.reshape(p.shape)
    return np.where(p >= (policy.floor if family == "threshold" else 0.0), p, -np.inf)


def levels_of(rule, looks):
    return levels(
        rule.family, probabilities(rule.right, looks), looks.forecast, rule.lambda_views, rule.policy
    )


def judged(rng, harmful):
    """Return (what is held to be harmful, judgements spent)."""
    first = np.where(harmful, rng.random(len(harmful)) >= MISSES, rng.random(len(harmful)) < FALSE_ALARMS)
    return first | harmful, len(harmful) + int((~first).sum())


def tuning_labels(looks, rng, policy=POLICY):
    """Return (stated logits, labels, judgements) of posts drawn evenly where the stated probability reaches a line."""
    line = logit(policy.floor - BELOW)
    stated = at_first_crossing(looks.stated, looks.stated, [line])[:, 0]
    rows = np.flatnonzero(looks.stated.max(axis=1) >= line)
    rows = rng.choice(rows, min(TUNING, len(rows)), replace=False)
    label, spent = judged(rng, looks.harmful[rows])
    return stated[rows], label, spent


def certified(law, rng, secret, family, policy=POLICY):
    """Try attempt after attempt; return the rule, or one that removes nothing."""
    called = int(rng.binomial(KNOWN_HARMLESS, FALSE_ALARMS))
    tuning = window(law, rng)
    posts = posts_of_windows(tuning)
    z, y, labels = tuning_labels(tuning, rng, policy)
    labels += KNOWN_HARMLESS
    for attempt, audits in enumerate(AUDITS, 1):
        delta = attempt_delta(DELTA, attempt)
        error = review_error(
            harmful=0,
            called_harmless=0,
            harmless=KNOWN_HARMLESS,
            called_harmful=called,
            delta=delta * REVIEW_PART,
        )
        right = recalibrated(z, y)
        fixed = path_of(family, right, tuning, audits, delta - error.delta, policy)
        looks = window(law, rng, posts=posts, line=line_of(right, policy))
        if fixed is not None:
            p = probabilities(right, looks)
            level = levels(family, p, looks.forecast, fixed.lambda_views, policy)
            key = key_for(secret, purpose=f"{family} {attempt}")
            frame, found, spent, more = attempted(rng, level, looks, fixed, key, delta, error)
            labels += spent
            if found is not None:
                kept = kept_in(looks, level, found)
                return Rule(
                    family,
                    right,
                    fixed.lambda_views,
                    found,
                    policy,
                    labels=labels,
                    at_3000=labels <= LABELS,
                    attempts=attempt,
                    drawn=(fixed.audits_posts, fixed.audits_views),
                    frame_kept=kept,
                )
            if frame is not None:
                at = at_first_crossing(level, looks.stated, fixed.levels[-1:])[frame.rows, 0]
                z = np.append(z, at[more[0]])
                y = np.append(y, more[1])
        tuning = looks
    return Rule(family, right, 0.0, None, policy, labels=labels, attempts=len(AUDITS))


def posts_of_windows(looks):
    """Return how many posts a window must hold, by the first one, so that enough of them cross the floor."""
    crossed = int((looks.stated.max(axis=1) >= logit(POLICY.floor)).sum())
    return POSTS * min(max(FRAME / max(crossed, 1), 1.0), MOST_WINDOWS)


def line_of(right, policy):
    """Return a stated probability that whatever a rule may remove reaches, a new calibration included."""
    low, high = right.logits([0.0, 1.0])
    return max(LINE, sigmoid((logit(policy.floor - BELOW) - low) / (high - low)))


def path_of(family, right, looks, audits, delta, policy=POLICY):
    """Return the path that a tuning window suggests, or None."""
    p = probabilities(right, looks)
    if family == "path":
        return tuned_path(p, looks.forecast, policy, audits=audits, delta=delta)
    level = levels(family, p, looks.forecast, 0.0, policy)
    return tuned_levels(level, p, looks.forecast, policy, audits=audits, delta=delta)


def attempted(rng, level, looks, path, key, delta, error):
    """Audit one window; return (frame, the level that is proven or None, judgements, (rows, labels))."""
    try:
        frame = Frame(level, looks.forecast, path.levels, cap=FORECAST_CAP)
    except InvalidField:
        return None, None, 0, None
    names = [f"post {row}" for row in frame.rows]
    halves = frame.draw(names, key=key, count=path.audits_posts, of_views=path.audits_views)
    drawn, place = np.unique(np.append(halves.posts.rows, halves.views.rows), return_inverse=True)
    label, spent = judged(
        rng, looks.harmful[frame.rows[drawn]]
    )  # a post that is drawn again is not judged again
    posts, views = np.split(label[place], [path.audits_posts])
    finding = prove(
        path.levels,
        frame.half_of_posts(halves.posts, posts),
        frame.half_of_views(halves.views, views, key=key),
        precision_posts=POLICY.precision_posts,
        precision_views=POLICY.precision_views,
        delta=delta,
        review=error,
    )
    return (
        frame,
        None if finding.proven is None else float(path.levels[finding.proven]),
        spent,
        (drawn, label),
    )


def kept_in(looks, level, least):
    """Return whether a rule keeps both precisions among the very posts that were audited, by the truth."""
    views = at_first_crossing(level, looks.forecast, [least])[:, 0]
    crossed = level.max(axis=1) >= least
    return bool(
        looks.harmful[crossed].mean() >= POLICY.precision_posts
        and np.average(looks.harmful[crossed], weights=views[crossed]) >= POLICY.precision_views
    )


def looks_good(law, rng):
    """Cut where the labelled sample's precision looks like enough, on that same sample."""
    looks = window(law, rng)
    highest = looks.stated.max(axis=1)
    rows = rng.choice(len(looks), SAMPLE)
    label, spent = judged(rng, looks.harmful[rows])
    order = np.argsort(-highest[rows])
    precision = label[order].cumsum() / np.arange(1, SAMPLE + 1)
    enough = np.flatnonzero((precision >= POLICY.precision_posts) & (np.arange(SAMPLE) >= LOOK_EVERY))
    level = float(highest[rows][order][enough[-1]]) if len(enough) else None
    return Rule("any", UNCHANGED, 0.0, None if level is None else sigmoid32(level), labels=spent)


def sigmoid32(z):
    return float(UNCHANGED.apply([z])[0])


def every_look(law, rng, secret):
    """Certify with every look as a unit, in place of first crossings; all else as by certificate, one attempt."""
    called = int(rng.binomial(KNOWN_HARMLESS, FALSE_ALARMS))
    tuning = window(law, rng)
    posts, tuning = posts_of_windows(tuning), flat(tuning)
    z, y, labels = tuning_labels(tuning, rng)
    right = recalibrated(z, y)
    error = review_error(
        harmful=0,
        called_harmless=0,
        harmless=KNOWN_HARMLESS,
        called_harmful=called,
        delta=DELTA * REVIEW_PART,
    )
    path = path_of("path", right, tuning, AUDITS[0], DELTA - error.delta)
    if path is None:
        return Rule("path", right, 0.0, None, labels=labels)
    looks = flat(window(law, rng, posts=posts, line=line_of(right, POLICY)))
    level = levels("path", probabilities(right, looks), looks.forecast, path.lambda_views)
    key = key_for(secret, purpose="every look")
    _, found, spent, _ = attempted(rng, level, looks, path, key, DELTA, error)
    return Rule("path", right, path.lambda_views, found, labels=labels + spent)


def flat(looks):
    """Return a window in which each look is a post of its own."""
    was = np.isfinite(looks.stated)
    return dataclasses.replace(
        looks,
        harmful=np.broadcast_to(looks.harmful[:, None], was.shape)[was],
        stated=looks.stated[was][:, None],
        true=looks.true[was][:, None],
        left=looks.left[was][:, None],
        forecast=looks.forecast[was][:, None],
        campaign=np.broadcast_to(looks.campaign[:, None], was.shape)[was],
    )


def untuned(looks):
    """Return (levels, path) on stated probabilities: from what every rule removes to all above the floor."""
    level = levels("path", probabilities(UNCHANGED, looks), looks.forecast, 1.0)
    record = level[level > before(level)]
    finite = record[np.isfinite(record)]
    cuts = np.quantile(finite, np.linspace(0.98, 0.0, STEPS - 1)) if len(finite) else np.empty(0)
    return level, np.unique(np.append(cuts, np.inf))[::-1]


def peeking(law, rng):
    """Test an untuned path in order by Wald intervals, looked at every 50 labels."""
    _, path = untuned(window(law, rng, line=POLICY.floor))
    looks = window(law, rng, line=POLICY.floor)
    level = levels("path", probabilities(UNCHANGED, looks), looks.forecast, 1.0).max(axis=1)
    rows = np.flatnonzero(level >= path[-1])
    rows = rng.choice(rows, SAMPLE)
    label, spent = judged(rng, looks.harmful[rows])
    proven = None
    for least in path:
        removed = level[rows] >= least
        n, right = removed.cumsum(), (removed & label).cumsum()
        at = np.arange(LOOK_FROM, SAMPLE + 1, LOOK_EVERY) - 1
        at = at[n[at] > 0]
        share = right[at] / n[at]
        if not (share - NORMAL_95 * np.sqrt(share * (1 - share) / n[at]) > POLICY.precision_posts).any():
            break
        proven = float(least)
    return Rule("path", UNCHANGED, 1.0, proven, labels=spent)


def retrying(law, rng):
    """Test all above the floor, exactly and at full delta, in window after window until it passes."""
    labels, least = 0, np.inf
    for attempt in range(1, RETRIES + 1):
        looks = window(law, rng, line=POLICY.floor)
        level = levels("path", probabilities(UNCHANGED, looks), looks.forecast, 1.0)
        if attempt == 1:
            least = float(level[np.isfinite(level)].min(initial=np.inf))
        crossed = np.flatnonzero(level.max(axis=1) >= least)
        views = at_first_crossing(level[crossed], looks.forecast[crossed], [least])[:, 0]
        passes = True
        for weight, bound in ((None, POLICY.precision_posts), (views / views.sum(), POLICY.precision_views)):
            rows = rng.choice(crossed, RETRY_AUDITS, p=weight)
            label, spent = judged(rng, looks.harmful[rows])
            labels += spent
            passes = passes and at_most(int((~label).sum()), RETRY_AUDITS, 1 - bound) <= DELTA
        if passes:
            return Rule("path", UNCHANGED, 1.0, least, labels=labels, attempts=attempt)
    return Rule("path", UNCHANGED, 1.0, None, labels=labels, attempts=RETRIES)


def balanced(law):
    """Return the cut at 0.95 of probabilities that were calibrated on as many harmful as harmless posts."""
    cut = logit(POLICY.precision_posts) + math.log(law.told_prevalence / (1 - law.told_prevalence))
    return Rule("any", UNCHANGED, 0.0, sigmoid32(cut))
