"""The decision rules of a policy, on whole batches.

Removal: by `removal.removal_rule`. Without a certificate that names exactly what runs here, and has not
expired, nothing is removed; what is forecast to be seen by very many is left to a person. What a policy
may remove in a day is removed in the order of harm.

Demotion: p >= demote_at. Review: p >= review_at, within the hour's room, likeliest harm first.
What a policy's own rules and lists say (`rulebook.py`) demotes or asks a person as well, and never removes;
its allow list takes the automatic part of model and rules away.
The most severe permitted outcome wins, and a removal is attributed to one policy, the likeliest; a post
that waits for a person is demoted meanwhile if the demotion rule holds as well. Text in a language that
the bundle does not support is never acted on automatically: where a rule would act, a person is asked.
So is a person where a model gave a number that is no probability.

Legend: n posts; p [n] probability.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from sievert.policy.crossing import (
    Crossed,
    cross_banks,
    cross_model,
    cross_stated,
    cross_unknown,
    likelihood,
)
from sievert.policy.reasons import ALLOW_LIST, ISOLATED, LANGUAGE, NO_ROOM, QUOTA, REMOVE
from sievert.policy.removal import removal_rule, unmet
from sievert.policy.rulebook import NOTHING_STATED, Stated
from sievert.schema.bank import MINORS_POLICY, BankKind
from sievert.schema.batch import WHERE, DecidedBatch, Floats, PostBatch, ScoredBatch
from sievert.schema.certificate import Certificate, Running
from sievert.schema.clock import Micros
from sievert.schema.decision import Language, Match, Outcome, Reason, Stage
from sievert.schema.guardrail import name_of
from sievert.schema.policy import Mode, Policy, PolicySet
from sievert.schema.taxonomy import HARM

NO_MATCHES: Mapping[int, tuple[Match, ...]] = MappingProxyType({})
"""What banks say of posts that are like nothing in them."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Rooms:
    """How many more reviews and removals each policy may spend."""

    reviews: dict[str, int]
    removals: dict[str, int]


def hang_on_views(
    scored: ScoredBatch,
    policies: PolicySet,
    matches: Mapping[int, tuple[Match, ...]] = NO_MATCHES,
    *,
    every: bool = False,
) -> list[int]:
    """Return the rows, rising, whose decision or place in the queue a forecast may change.

    These are the posts that reach any rule of a policy, that banks know, or of which a model says nothing
    that can be acted on; `every` is for rules that speak of forecasts themselves. Isolated posts are not
    among them.
    """
    hang = np.full(len(scored), every)
    for policy in policies.policies:
        if policy.mode is not Mode.OFF and scored.has(policy.name):
            p = scored.of(policy.name)
            hang |= ~(p < min(policy.demote_at, policy.review_at, policy.floor))
    hang[list(matches)] = True
    hang[[row for row, some in matches.items() if any(one.kind == BankKind.MINORS for one in some)]] = False
    return np.flatnonzero(hang).tolist()


def decide(
    posts: PostBatch,
    scored: ScoredBatch,
    *,
    policies: PolicySet,
    certificates: Sequence[Certificate],
    forecast: Floats | None,
    review_room: Mapping[str, int],
    now: Micros,
    running: Running | None = None,
    removal_room: Mapping[str, int] | None = None,
    matches: Mapping[int, tuple[Match, ...]] = NO_MATCHES,
    stated: Stated = NOTHING_STATED,
) -> DecidedBatch:
    """Decide about a batch.

    `forecast` is [n] views to come, NaN where none was asked for, or None while there is no forecaster; `review_room` says how many
    more cases each policy may open at present, `removal_room` how many more posts it may remove today (its
    quota, if it is not said); `running` is what certificates must name (without it none holds); `matches`
    are what banks say, by row, `stated` what the policies' own rules and lists do.

    Raises:
        InvalidField: forecast views are negative.
    """
    views = np.zeros(len(posts), np.float32) if forecast is None else forecast
    crossed: dict[int, Crossed] = {}
    allowed = {
        (row, one.policy): one.name
        for row, some in stated.items()
        for one in reversed(some)
        if one.kind == ALLOW_LIST
    }
    for policy in policies.policies:
        if policy.mode is not Mode.OFF and scored.has(policy.name):
            _cross_scored(
                crossed,
                posts,
                scored,
                policy,
                certificates,
                allowed=allowed,
                running=running,
                views=views,
                now=now,
            )
    named = {policy.name: policy for policy in policies.policies if policy.mode is not Mode.OFF}
    for row, found in matches.items():
        cross_banks(crossed.setdefault(row, Crossed()), found, named)
    for row, some in stated.items():
        for one in some:
            if one.kind != ALLOW_LIST and one.policy in named:
                p_of = float(scored.of(one.policy)[row]) if scored.has(one.policy) else 0.0
                post = crossed.setdefault(row, Crossed())
                cross_stated(post, named[one.policy], one, p_of, allowed=allowed.get((row, one.policy)))
    if removal_room is None:
        removal_room = {policy.name: policy.removals_per_day for policy in policies.policies}
    rooms = _Rooms(reviews=dict(review_room), removals=dict(removal_room))
    return dataclasses.replace(_settle(scored, crossed, policies.digest, rooms, views), forecast=forecast)


def _cross_scored(
    crossed: dict[int, Crossed],
    posts: PostBatch,
    scored: ScoredBatch,
    policy: Policy,
    certificates: Sequence[Certificate],
    *,
    allowed: Mapping[tuple[int, str], str],
    running: Running | None,
    views: Floats,
    now: Micros,
) -> None:
    """Add what the model says about all posts under one policy."""
    p = scored.of(policy.name)
    told = (p >= 0) & (p <= 1)
    rows = np.flatnonzero((p >= min(policy.demote_at, policy.review_at, policy.floor)) & told)
    for row in np.flatnonzero(~told).tolist():
        cross_unknown(crossed.setdefault(row, Crossed()), policy)
    if policy.name == HARM:
        # The sentinel counts as harm, so that it shows; only its own policy may act on it.
        rows = rows[scored.stage[rows] != Stage.SENTINEL]
    if not len(rows):
        return
    removals = _certified_removals(
        posts, policy, certificates, running=running, rows=rows, p=p, views=views, now=now
    )
    for row in rows.tolist():
        cross_model(
            crossed.setdefault(row, Crossed()),
            policy,
            float(p[row]),
            certificate=removals.get(row),
            large=bool(views[row] >= policy.people_above_views),
            where=None if scored.where is None else WHERE[scored.where[row]],
            allowed=allowed.get((row, policy.name)),
        )


def _certified_removals(
    posts: PostBatch,
    policy: Policy,
    certificates: Sequence[Certificate],
    *,
    running: Running | None,
    rows: npt.NDArray[np.intp],
    p: Floats,
    views: Floats,
    now: Micros,
) -> dict[int, str]:
    """Return the rows that a valid certificate lets this policy remove, each with the certificate's name."""
    removed: dict[int, str] = {}
    if running is None or policy.mode is not Mode.LIVE or REMOVE not in policy.live_actions:
        return removed
    for certificate in certificates:
        # The names first: `unmet` hashes all that a removal hangs on in the policy.
        named = certificate.policy == policy.name
        if not named or unmet(certificate, policy, platform=certificate.platform, running=running, now=now):
            continue
        held = [row for row in rows.tolist() if posts.posts[row].platform == certificate.platform]
        marked = removal_rule(
            p[held],
            views[held],
            policy,
            lambda_posts=certificate.lambda_posts,
            lambda_views=certificate.lambda_views,
        )
        name = name_of(certificate)
        for row, mark in zip(held, marked, strict=True):
            if mark:
                removed.setdefault(row, name)
    return removed


def _settle(
    scored: ScoredBatch,
    crossed: dict[int, Crossed],
    policy_set: str,
    rooms: _Rooms,
    views: Floats,
) -> DecidedBatch:
    """Give each post its outcome; the hour's reviews and the day's removals go to the most harm first."""
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
    rows = np.fromiter(crossed, np.intp, len(crossed))
    # What is not known counts as harmful here: it is looked at first.
    harm = np.nan_to_num(scored.harm[rows].astype(np.float64), nan=1.0) * (1.0 + np.nan_to_num(views[rows]))
    order = np.lexsort((rows, -harm))
    # Lists and local names: elements of arrays and members of enumerations are slow to come by.
    languages = scored.language[rows[order]].tolist()
    allow, demote, review, remove, english = *map(int, Outcome), int(Language.ENGLISH)
    for row, language in zip(rows[order].tolist(), languages, strict=True):
        post = crossed[row]
        if post.isolate is not None:
            _isolate(decided, row, post.isolate)
            continue
        decided.would[row] = post.would
        if language != english:
            _leave_to_people(post)
        if post.demote_anyway is not None:
            post.demote = max(filter(None, (post.demote, post.demote_anyway)), key=likelihood)
        outcome = demote if post.demote else allow
        if (removing := _removing(post, rooms.removals)) is not None:
            outcome = remove
            decided.removed_for[row] = removing
            decided.permitted_by[row] = post.certificates[removing]
        else:
            if post.demote:
                decided.demoted_for[row] = post.demote[1].name
            if (asking := _asking(post, rooms.reviews)) is not None:
                decided.queued_for[row] = asking
                outcome = review
        decided.outcome[row] = outcome
        decided.reasons[row] = tuple(post.reasons)
    return decided


def _leave_to_people(post: Crossed) -> None:
    """Let nothing be done automatically about a text that the model does not read."""
    acting = [*sorted(post.removals, key=likelihood, reverse=True), *([post.demote] if post.demote else [])]
    if acting:
        post.reasons.append(Reason(policy=acting[0][1].name, rule=LANGUAGE))
        post.reviews = post.reviews or acting[:1]
    post.removals, post.demote = [], None


def _removing(post: Crossed, room: dict[str, int]) -> str | None:
    """Spend a removal of the likeliest policy that may remove and has room; None if there is none."""
    for _, policy in sorted(post.removals, key=likelihood, reverse=True):
        if room.get(policy.name, 0) > 0:
            room[policy.name] -= 1
            return policy.name
        post.reasons.append(Reason(policy=policy.name, rule=QUOTA))
    return None


def _isolate(decided: DecidedBatch, row: int, match: Match) -> None:
    """Show a post to nobody but the designated person, who is asked whatever the hour's budget."""
    decided.outcome[row] = decided.would[row] = Outcome.REVIEW
    decided.isolated_for[row] = decided.queued_for[row] = MINORS_POLICY
    decided.reasons[row] = (Reason(policy=MINORS_POLICY, rule=ISOLATED, match=match),)


def _asking(post: Crossed, room: dict[str, int]) -> str | None:
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
