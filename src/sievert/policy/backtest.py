"""What a policy would have done to posts of the past: a policy owner sees a change before it goes live.

Two kinds of estimate stand side by side and are never mixed. *By labels*: from posts that people judged,
with intervals; true whatever the model believes. *By the model*: sums of calibrated probabilities, without
an interval, and only as right as the calibration is.

Harmful views prevented are views that a removal would have kept from people: those that came to be where
they are known, else the forecast, each capped as the policy caps them. What a demotion keeps back hangs on
the platform and is not counted. Reviews are asked for hour by hour; what an hour has no room for gets none.

A backtest certifies nothing. Its posts were chosen by whoever made the file, its rule may have been chosen
on them, and a certificate needs audits that were drawn by key from a frozen frame. What it says on that is
how many labels a certificate would need, by an exact test at the precision that is seen here.

Not covered: other policies, which may remove the same post first; hash banks; the order of the day's
quota; what people would have done had a post been removed. `sample` says what intervals do not cover.

Legend: n posts of a sample.
"""

import math

import msgspec
import numpy as np
import numpy.typing as npt

from sievert.measurement.certificate import FEWEST_AUDITS, ReviewError, attempt_delta
from sievert.measurement.power import labels_to_prove
from sievert.policy.measuring import Amount, Measured, Measuring
from sievert.policy.outcomes import CAREFUL, Outcomes, RemovalRule, outcomes_of
from sievert.policy.removal import level_of
from sievert.policy.sample import Sample
from sievert.schema.policy import Mode, Policy

Bools = npt.NDArray[np.bool_]

CERTIFIES_NOTHING = (
    "A backtest certifies nothing: a certificate needs audits drawn by key from a frozen frame."
)


class ReviewLoad(msgspec.Struct, frozen=True, kw_only=True):
    """What people are asked for an hour, the room they have, and which share of it would get no review."""

    an_hour: float | None
    room: int
    unanswered: float | None


class Needed(msgspec.Struct, frozen=True, kw_only=True):
    """What one half of a certificate would need: labels in all, those still missing here, and why in words.

    `labels` is None where no number would do at the precision that was seen.
    """

    half: str
    bound: float
    have: int
    labels: int | None
    missing: int | None
    finding: str


class PathPoint(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule of the path would remove; `lambda_posts` is None for the most careful one."""

    lambda_posts: float | None
    removals: float
    precision_posts: Measured
    precision_views: Measured
    prevented: Measured


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What would be otherwise than under another version of the policy."""

    version: int
    newly_removed: Amount
    no_longer_removed: Amount
    newly_asked: Amount
    no_longer_asked: Amount
    newly_demoted: Amount
    no_longer_demoted: Amount
    prevented: Measured


class Backtest(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy would have done to a sample of traffic; as if it were live and its rule certified."""

    policy: str
    version: int
    lambda_posts: float | None
    lambda_views: float
    lines: int
    labelled: int
    harmful: int
    stands_for: float
    days: float | None
    confidence: float
    removals: Amount
    over_quota: float | None
    demotions: Amount
    reviews: Amount
    review_load: ReviewLoad
    precision_posts: Measured
    precision_views: Measured
    recall_posts: Measured
    recall_views: Measured
    prevented: Measured
    needed: tuple[Needed, ...]
    path: tuple[PathPoint, ...]
    against: Change | None
    notes: tuple[str, ...]


def backtest(
    policy: Policy,
    sample: Sample,
    *,
    rule: RemovalRule = CAREFUL,
    path: tuple[float, ...] = (),
    against: Policy | None = None,
    confidence: float = 0.95,
    review: ReviewError | None = None,
) -> Backtest:
    """Return what a policy would have done to a sample [n], as if it were live and the rule certified.

    `path` are further l1 to show, each with the rule's l2; `against` is another version of the policy,
    under the same rule. `review` bounds how people err when they judge audits.

    Raises:
        InvalidField: a number of the sample is no probability, or views are negative.
    """
    done = _outcomes(policy, sample, rule)
    measured = Measuring(policy, sample, confidence=confidence)
    removals = measured.amount(done.removed)
    posts, by_views = measured.precision(done.removed), measured.precision(done.removed, measured.forecast)
    return Backtest(
        policy=policy.name,
        version=policy.version,
        lambda_posts=None if math.isinf(rule.lambda_posts) else rule.lambda_posts,
        lambda_views=rule.lambda_views,
        lines=len(sample),
        labelled=int(sample.known.sum()),
        harmful=int((sample.known & sample.harmful).sum()),
        stands_for=float(sample.weight.sum()),
        days=measured.days,
        confidence=confidence,
        removals=removals,
        over_quota=None if removals.a_day is None else _beyond(removals.a_day, policy.removals_per_day),
        demotions=measured.amount(done.demoted),
        reviews=measured.amount(done.asked),
        review_load=_review_load(policy, sample, done.asked),
        precision_posts=posts,
        precision_views=by_views,
        recall_posts=measured.recall(done.removed),
        recall_views=measured.recall(done.removed, measured.views),
        prevented=measured.prevented(done.removed),
        needed=(
            _needed("posts", policy, policy.precision_posts, posts, review),
            _needed("views", policy, policy.precision_views, by_views, review),
        ),
        path=tuple(_path_point(policy, sample, measured, rule.lambda_views, point) for point in path),
        against=None
        if against is None
        else _change(measured, done, _outcomes(against, sample, rule), version=against.version),
        notes=_notes(policy, sample),
    )


def path_of(policy: Policy, sample: Sample, *, lambda_views: float, points: int) -> tuple[float, ...]:
    """Return so many l1 of a path, the most careful rule first, that remove ever more of a sample [n].

    Fewer where fewer rules differ; without forecasts there is the most careful rule alone.
    """
    level = level_of(sample.p, sample.forecast, policy, lambda_views=lambda_views)
    bolder = np.sort(level[np.isfinite(level)])[::-1]
    if not len(bolder) or points < 2:
        return (math.inf,)
    at = np.unique(np.ceil(np.linspace(0, len(bolder), points)[1:]).astype(int)) - 1
    return (math.inf, *sorted({_rounded_down(float(bolder[one])) for one in at.tolist()}, reverse=True))


def _rounded_down(level: float) -> float:
    """Return a number of three digits below a level, so that the rule removes the post whose level it is."""
    unit = 10.0 ** (math.floor(math.log10(level)) - 2)
    return float(f"{math.floor(level * (1 - 1e-6) / unit) * unit:.3g}")


def _outcomes(policy: Policy, sample: Sample, rule: RemovalRule) -> Outcomes:
    live = msgspec.structs.replace(policy, mode=Mode.LIVE)
    return outcomes_of(live, sample.p, sample.forecast, rule=rule, readable=sample.readable)


def _beyond(asked: float, room: float) -> float:
    """Return which share of what is asked for finds no room."""
    return max(0.0, 1.0 - room / asked) if asked > 0 else 0.0


def _review_load(policy: Policy, sample: Sample, asked: Bools) -> ReviewLoad:
    room = policy.reviews_per_hour
    wanted = sample.weight * asked
    if sample.hours is None:
        return ReviewLoad(an_hour=None, room=room, unanswered=None)
    an_hour = float(wanted.sum()) / sample.hours
    if sample.hour is None or not wanted.any():
        return ReviewLoad(an_hour=an_hour, room=room, unanswered=_beyond(an_hour, room))
    by_hour = np.bincount(np.unique(sample.hour, return_inverse=True)[1], weights=wanted)
    missed = float(np.maximum(by_hour - room, 0.0).sum())
    return ReviewLoad(an_hour=an_hour, room=room, unanswered=missed / float(wanted.sum()))


def _needed(
    half: str, policy: Policy, bound: float, precision: Measured, review: ReviewError | None
) -> Needed:
    """Say what a certificate would need in one half, at the precision that is seen, or believed, here."""
    found = precision.by_labels
    have = found.draws if found is not None else 0
    seen = found.value if found is not None and found.value is not None else precision.by_model
    if seen is None:
        why = "nothing would be removed" if half == "posts" else "no forecast says how often it would be seen"
        return Needed(
            half=half,
            bound=bound,
            have=have,
            labels=None,
            missing=None,
            finding=f"not enough evidence: {why}",
        )
    labels = labels_to_prove(bound, true=seen, delta=attempt_delta(policy.delta, 1), review=review)
    told = "by labels" if found is not None and found.value is not None else "by the model alone"
    if labels is None:
        finding = (
            f"{seen:.3f} {told} is not enough above {bound:g}: no practical number of labels would prove it"
        )
        return Needed(half=half, bound=bound, have=have, labels=None, missing=None, finding=finding)
    labels = max(labels, FEWEST_AUDITS)
    missing = max(0, labels - have)
    low = found.low if found is not None else None
    if missing:
        finding = (
            f"not enough evidence: {have:,} of {labels:,} labels among removals, {missing:,} are missing"
        )
    elif low is not None and low > bound:
        finding = f"these labels speak for it; a certificate would need {labels:,} audits of its own"
    else:
        finding = f"not enough evidence: the interval begins at {low or 0.0:.3f}, not above {bound:g}"
    return Needed(half=half, bound=bound, have=have, labels=labels, missing=missing, finding=finding)


def _path_point(
    policy: Policy, sample: Sample, measured: Measuring, lambda_views: float, lambda_posts: float
) -> PathPoint:
    rule = RemovalRule(lambda_posts=lambda_posts, lambda_views=lambda_views)
    removed = _outcomes(policy, sample, rule).removed
    return PathPoint(
        lambda_posts=None if math.isinf(lambda_posts) else lambda_posts,
        removals=float((sample.weight * removed).sum()),
        precision_posts=measured.precision(removed),
        precision_views=measured.precision(removed, measured.forecast),
        prevented=measured.prevented(removed),
    )


def _change(measured: Measuring, now: Outcomes, before: Outcomes, *, version: int) -> Change:
    return Change(
        version=version,
        newly_removed=measured.amount(now.removed & ~before.removed),
        no_longer_removed=measured.amount(before.removed & ~now.removed),
        newly_asked=measured.amount(now.asked & ~before.asked),
        no_longer_asked=measured.amount(before.asked & ~now.asked),
        newly_demoted=measured.amount(now.demoted & ~before.demoted),
        no_longer_demoted=measured.amount(before.demoted & ~now.demoted),
        prevented=measured.prevented(now.removed, before.removed),
    )


def _notes(policy: Policy, sample: Sample) -> tuple[str, ...]:
    """Say what is missing in the sample, and what was assumed in its place."""
    notes = [CERTIFIES_NOTHING]
    if policy.mode is not Mode.LIVE:
        notes.append(f"The policy's mode is {policy.mode}; this is what it would do if it were live.")
    notes += _notes_on_labels(sample)
    blind = int(np.isnan(sample.forecast).sum())
    if blind:
        notes.append(f"{blind:,} posts have no forecast: the rule counts no views for them.")
    unseen = int(np.isnan(sample.views).sum())
    if 0 < unseen < len(sample):
        notes.append(f"{unseen:,} posts have no views of their own: their forecast stands for them.")
    elif unseen == len(sample) and blind < len(sample):
        notes.append("Views prevented are forecast views: the file has none that came to be.")
    unread = int((~sample.readable).sum())
    if unread:
        notes.append(f"{unread:,} posts are in languages that the model does not read: people are asked.")
    if sample.hours is None:
        notes.append("How long the posts took is not known: state it with --hours to see amounts a day.")
    if sample.prevalence is not None:
        notes.append(
            f"The sample was weighed to {sample.prevalence:.2%} harmful posts, as stated: what that number "
            "misses, everything here misses."
        )
    return tuple(notes)


def _notes_on_labels(sample: Sample) -> list[str]:
    notes = []
    unlabelled = int((sample.label < 0).sum())
    unsaid = int(((sample.label >= 0) & ~sample.known).sum())
    if unlabelled:
        notes.append(f"{unlabelled:,} posts have no label; they count in amounts, and by the model.")
    if unsaid:
        notes.append(
            f"{unsaid:,} labels are not used: where others have none, a label needs the sampling_probability "
            "with which its post was drawn for labelling."
        )
    if not sample.known.any():
        notes.append("No label is used: every figure is the model's own belief, or an amount.")
    elif not (sample.known & sample.harmful).any() or not (sample.known & ~sample.harmful).any():
        kind = "harmful" if (sample.known & sample.harmful).any() else "harmless"
        notes.append(f"All labelled posts are {kind}: what that says of the other kind is next to nothing.")
    return notes
