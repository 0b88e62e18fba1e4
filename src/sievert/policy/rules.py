"""The decision rules of a policy, on whole batches.

Removal: with calibrated probability p, forecast views v, and a certificate that fixed l1 and l2,
remove when `v p + l1 (p - t) + l2 v (p - t_v) >= 0` and `p >= p_min`: the line that maximises
prevented harmful views under both precision constraints. Without a forecast v counts as zero, which
leaves the most careful rule, p >= t. Without a certificate that names exactly this bundle, policy
version and platform, and has not expired, nothing is removed.

Demotion: p >= demote_at. Review: p >= review_at, within the hour's room, likeliest harm first.
The most severe permitted outcome wins; a post that waits for a person is demoted meanwhile if the
demotion rule holds as well. Text in a language that the bundle does not support is never acted on
automatically: where a rule would act, a person is asked.

Legend: n posts; p [n] probability; v [n] capped forecast views.
"""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

import msgspec
import numpy as np
import numpy.typing as npt

from sievert.schema.bank import MINORS_POLICY, BankKind
from sievert.schema.batch import WHERE, DecidedBatch, Floats, PostBatch, ScoredBatch
from sievert.schema.clock import Micros
from sievert.schema.decision import Language, Match, Outcome, Reason, Stage
from sievert.schema.policy import Certificate, Mode, Policy, PolicySet
from sievert.schema.taxonomy import HARM

# Rule codes, as they stand in reasons; RULES says them in words.
REMOVE = "remove"
DEMOTE = "demote"
REVIEW = "review"
NO_CERTIFICATE = "no-certificate"
LANGUAGE = "unsupported-language"
NO_ROOM = "review-budget-spent"
SHADOW = "shadow"
NOT_PERMITTED = "not-permitted"
BANK = "bank"
BANK_ALLOWED = "bank-allowed"
BANK_FLOOD = "bank-flood"
ISOLATED = "isolated"

NO_MATCHES: Mapping[int, tuple[Match, ...]] = MappingProxyType({})
"""What banks say of posts that are like nothing in them."""

RULES = {
    REMOVE: "{policy}: removed, as its certificate permits",
    DEMOTE: "{policy}: likely enough to be shown to fewer people",
    REVIEW: "{policy}: a person should look at it",
    NO_CERTIFICATE: "{policy}: not removed, as no certificate permits it",
    LANGUAGE: "{policy}: not acted on, as the model does not read this language",
    NO_ROOM: "{policy}: this hour's reviews are spent",
    SHADOW: "{policy}: not removed, as the policy is in shadow",
    NOT_PERMITTED: "{policy}: its present mode does not permit what this probability calls for",
    BANK: "{policy}: like something that a bank of hashes holds",
    BANK_ALLOWED: "{policy}: like something that a bank holds, and that another one allows",
    BANK_FLOOD: "{policy}: like something that a bank holds, but so are many posts at once: nothing follows",
    ISOLATED: "{policy}: isolated; nothing of it is kept, and a designated person is told",
}


_WHERE = {"picture": "a picture", "text and picture": "text and picture together"}


def reason_text(reason: Reason) -> str:
    """Say a reason in words: the rule, and where what it looked at was found."""
    said = RULES[reason.rule].format(policy=reason.policy)
    if reason.match is not None:
        said += f" ({reason.match.bank}, {reason.match.distance} away)"
    return f"{said}, by the words in {_WHERE[reason.where]}" if reason.where else said


def in_words(reason: Reason) -> Reason:
    """Return a reason with its sentence; a rule that only another release knows keeps its code alone.

    What isolated a post is not told.
    """
    if reason.rule == ISOLATED:
        reason = msgspec.structs.replace(reason, match=None)
    return msgspec.structs.replace(reason, sentence=reason_text(reason)) if reason.rule in RULES else reason


def removal_rule(
    p: Floats, v: Floats, policy: Policy, *, lambda_posts: float, lambda_views: float
) -> npt.NDArray[np.bool_]:
    """Mark the posts that the removal rule (at the top of this module) removes."""
    gain = (
        v * p + lambda_posts * (p - policy.precision_posts) + lambda_views * v * (p - policy.precision_views)
    )
    marked: npt.NDArray[np.bool_] = (gain >= 0) & (p >= policy.floor)
    return marked


def level_of(p: Floats, v: Floats, policy: Policy, *, lambda_views: float) -> npt.NDArray[np.float64]:
    """Return the largest l1 [n] at which the removal rule removes each post; -inf where none does.

    A larger l1 is a more careful rule: from p >= t on every rule removes, below it only those that
    weigh views enough. So the rules of all l1 are nested, and a path is a falling series of levels.
    """
    # Numbers of the policy as the rule compares them, beside single-precision probabilities.
    stated = np.array([policy.precision_posts, policy.precision_views, policy.floor], np.float32)
    t, t_views, floor = stated.astype(np.float64).tolist()
    p, v = p.astype(np.float64), v.astype(np.float64)
    gain = v * p + lambda_views * v * (p - t_views)
    with np.errstate(divide="ignore", invalid="ignore"):
        level = np.where(p >= t, np.inf, gain / (t - p))
    return np.where((p >= floor) & (level > 0), level, -np.inf)


def covers(certificate: Certificate, policy: Policy, *, platform: str, bundle: str, now: Micros) -> bool:
    """Tell whether a certificate holds here: all that it names must be equal, and it must be in time."""
    return (
        certificate.policy == policy.name
        and certificate.policy_version == policy.version
        and certificate.platform == platform
        and certificate.bundle == bundle
        and certificate.issued_at <= now < certificate.expires_at
    )


@dataclasses.dataclass(slots=True)
class _Crossed:
    """What the rules of all policies say about one post, as policy and probability each."""

    remove: tuple[float, Policy] | None = None
    demote: tuple[float, Policy] | None = None
    reviews: list[tuple[float, Policy]] = dataclasses.field(default_factory=list)
    isolate: Match | None = None
    known: bool = False  # by a bank: what language its words are in does not matter
    would: Outcome = Outcome.ALLOW
    reasons: list[Reason] = dataclasses.field(default_factory=list)


def decide(
    posts: PostBatch,
    scored: ScoredBatch,
    *,
    policies: PolicySet,
    certificates: Sequence[Certificate],
    forecast: Floats | None,
    review_room: Mapping[str, int],
    now: Micros,
    matches: Mapping[int, tuple[Match, ...]] = NO_MATCHES,
) -> DecidedBatch:
    """Decide about a batch.

    `forecast` is [n] capped views to come, or None while there is no forecaster; `review_room` says
    how many more cases each policy may open at present; `matches` are what banks say, by row.
    """
    views = np.zeros(len(posts), np.float32) if forecast is None else forecast
    crossed: dict[int, _Crossed] = {}
    for policy in policies.policies:
        if policy.mode is Mode.OFF or not scored.has(policy.name):
            continue
        p = scored.of(policy.name)
        rows = np.flatnonzero(p >= min(policy.demote_at, policy.review_at, policy.floor))
        if policy.name == HARM:
            # The sentinel counts as harm, so that it shows; only its own policy may act on it.
            rows = rows[scored.stage[rows] != Stage.SENTINEL]
        if len(rows):
            removals = _certified_removals(
                posts, policy, certificates, bundle=scored.bundle, rows=rows, p=p, views=views, now=now
            )
            for row in rows.tolist():
                where = None if scored.where is None else WHERE[scored.where[row]]
                post = crossed.setdefault(row, _Crossed())
                _cross(post, policy, float(p[row]), certified=row in removals, where=where)
    named = {policy.name: policy for policy in policies.policies}
    for row, found in matches.items():
        _cross_banks(crossed.setdefault(row, _Crossed()), found, named)
    return _settle(scored, crossed, policies.digest, review_room, views)


def _certified_removals(
    posts: PostBatch,
    policy: Policy,
    certificates: Sequence[Certificate],
    *,
    bundle: str,
    rows: npt.NDArray[np.intp],
    p: Floats,
    views: Floats,
    now: Micros,
) -> set[int]:
    """Return the rows that a valid certificate lets this policy remove."""
    removed: set[int] = set()
    if policy.mode is not Mode.LIVE or REMOVE not in policy.live_actions:
        return removed
    for certificate in certificates:
        held = [
            row
            for row in rows.tolist()
            if covers(certificate, policy, platform=posts.posts[row].platform, bundle=bundle, now=now)
        ]
        marked = removal_rule(
            p[held],
            views[held],
            policy,
            lambda_posts=certificate.lambda_posts,
            lambda_views=certificate.lambda_views,
        )
        removed.update(row for row, mark in zip(held, marked, strict=True) if mark)
    return removed


def _permitted(policy: Policy) -> Collection[str]:
    return policy.live_actions if policy.mode is Mode.LIVE else policy.shadow_actions


def _cross_banks(post: _Crossed, found: Sequence[Match], policies: Mapping[str, Policy]) -> None:
    """Add what banks say about one post: each policy hears of the nearest match that it would act on.

    A match is as good as certain, and still removes nothing: no certificate speaks of banks.
    """
    heard: set[tuple[str, str]] = set()
    for match in found:
        if match.kind == BankKind.MINORS:
            post.isolate = post.isolate or match
            continue
        policy = policies.get(match.policy or "")
        if policy is None or policy.mode is Mode.OFF:
            continue
        rule = BANK_FLOOD if match.quarantined else BANK if match.kind == BankKind.HARMFUL else BANK_ALLOWED
        if (policy.name, rule) in heard:
            continue
        heard.add((policy.name, rule))
        post.reasons.append(Reason(policy=policy.name, rule=rule, match=match))
        if rule == BANK:
            post.known = True
            permitted = _permitted(policy)
            if REVIEW in permitted:
                post.reviews.append((1.0, policy))
            if DEMOTE in permitted:
                post.demote = (1.0, policy)
            post.would = max(post.would, Outcome.REMOVE if REMOVE in policy.live_actions else Outcome.REVIEW)


def _cross(post: _Crossed, policy: Policy, p: float, *, certified: bool, where: str | None) -> None:
    """Add what one policy's rules say about one post."""
    permitted = _permitted(policy)
    probability = round(p, 8)

    def note(rule: str, threshold: float) -> None:
        post.reasons.append(
            Reason(policy=policy.name, rule=rule, probability=probability, threshold=threshold, where=where)
        )

    would = Outcome.REVIEW if p >= policy.review_at else Outcome.DEMOTE
    may_remove = REMOVE in policy.live_actions
    if may_remove and (certified or p >= max(policy.precision_posts, policy.floor)):
        would = Outcome.REMOVE
        if certified:
            post.remove = max(post.remove or (0.0, policy), (p, policy), key=_likelihood)
            note(REMOVE, policy.floor)
        else:
            note(NO_CERTIFICATE if policy.mode is Mode.LIVE else SHADOW, policy.precision_posts)
    post.would = max(post.would, would)
    if p >= policy.review_at:
        if REVIEW in permitted:
            post.reviews.append((p, policy))
            note(REVIEW, policy.review_at)
        elif REVIEW in policy.live_actions:
            note(NOT_PERMITTED, policy.review_at)
    if p >= policy.demote_at:
        if DEMOTE in permitted:
            post.demote = max(post.demote or (0.0, policy), (p, policy), key=_likelihood)
            note(DEMOTE, policy.demote_at)
        elif DEMOTE in policy.live_actions:
            note(NOT_PERMITTED, policy.demote_at)


def _likelihood(crossing: tuple[float, Policy]) -> float:
    return crossing[0]


def _settle(
    scored: ScoredBatch,
    crossed: dict[int, _Crossed],
    policy_set: str,
    review_room: Mapping[str, int],
    views: Floats,
) -> DecidedBatch:
    """Give each post its outcome; the hour's reviews go to the most harm first."""
    count = len(scored)
    decided = DecidedBatch(
        policy_set=policy_set,
        outcome=np.zeros(count, np.int8),
        would=np.zeros(count, np.int8),
        reasons={},
        demoted_for={},
        queued_for={},
        removed_for={},
    )
    room = dict(review_room)
    harm = scored.harm.astype(np.float64) * (1.0 + views)
    for row in sorted(crossed, key=lambda row: (-harm[row], row)):
        post = crossed[row]
        if post.isolate is not None:
            _isolate(decided, row, post.isolate)
            continue
        decided.would[row] = post.would
        if not post.known and scored.language[row] != Language.ENGLISH:
            acted = post.remove or post.demote
            if acted:
                post.reasons.append(Reason(policy=acted[1].name, rule=LANGUAGE))
            if acted and not post.reviews:
                post.reviews.append(acted)
            post.remove = post.demote = None
        outcome = Outcome.ALLOW
        if post.demote:
            outcome = Outcome.DEMOTE
        if not post.remove and (asking := _asking(post, room)) is not None:
            decided.queued_for[row] = asking
            outcome = Outcome.REVIEW
        if post.remove:
            outcome = Outcome.REMOVE
            decided.removed_for[row] = post.remove[1].name
        elif post.demote:
            decided.demoted_for[row] = post.demote[1].name
        decided.outcome[row] = outcome
        decided.reasons[row] = tuple(post.reasons)
    return decided


def _isolate(decided: DecidedBatch, row: int, match: Match) -> None:
    """Show a post to nobody but the designated person, who is asked whatever the hour's budget."""
    decided.outcome[row] = decided.would[row] = Outcome.REVIEW
    decided.isolated_for[row] = decided.queued_for[row] = MINORS_POLICY
    decided.reasons[row] = (Reason(policy=MINORS_POLICY, rule=ISOLATED, match=match),)


def _asking(post: _Crossed, room: dict[str, int]) -> str | None:
    """Spend a review of the likeliest policy that has room; None if none has.

    The policy on harm asks after those that can say which harm, and a test policy last.
    """
    asked: set[str] = set()
    for _, policy in sorted(post.reviews, key=lambda one: (one[1].test_only, one[1].name == HARM, -one[0])):
        if policy.name in asked:
            continue
        asked.add(policy.name)
        if room.get(policy.name, 0) > 0:
            room[policy.name] -= 1
            return policy.name
        post.reasons.append(Reason(policy=policy.name, rule=NO_ROOM))
    return None
