"""Which accounts are new, and which suddenly change; pure rules over what is known of an account's posts.

A change is what an account's own past makes unlikely, not what is bad: posts that are much likelier than its
others to violate the policy, or much quicker after one another. `measurement/change.py` says what the evidence
promises. Posts that differ in nothing that matters count as alike (`harm_from`, `pace_minutes`), which takes
nothing from the promise.

Not covered: newer revisions of posts, which are not counted; a change of what an account never shows in text.
"""

import math
from typing import NamedTuple

import msgspec

from sievert.features.behaviour.tallies import UNKNOWN
from sievert.measurement.change import evidence_after, rank_share
from sievert.schema.clock import DAY, Micros
from sievert.schema.identity import derived_id
from sievert.schema.limit import HARM_PLACES, PACE_PLACES, AccountLimit, AccountPast, LimitCause
from sievert.schema.policy import ChangeRule, NewAccountRule

_SECOND = 1_000_000
_MINUTE = 60


class WatchedPost(NamedTuple):
    """What matters of a post: when it was published, what is probable, and two draws in (0, 1] that break ties."""

    published_at: Micros
    probability: float | None  # None where no head speaks under the policy
    draws: tuple[float, float]
    decision_id: str
    post_id: str
    revision: int


def new_until(past: AccountPast, rule: NewAccountRule, *, made_at: Micros, now: Micros) -> Micros | None:
    """Return until when an account counts as new; None if it does not. `made_at` may be UNKNOWN."""
    if made_at == UNKNOWN:
        if past.here_before or not rule.by_first_post:
            return None
        made_at = past.first_at
    until = min(made_at, now) + round(rule.younger_days * DAY)
    return until if until > now else None


def with_post(past: AccountPast, post: WatchedPost, rule: ChangeRule) -> AccountPast:
    """Return what an account was like, this post included, with the evidence that it speaks for.

    Until `quiet_until` posts are counted and speak for nothing: a change was found and answered.
    """
    quiet = post.published_at < past.quiet_until
    harm, harm_evidence = past.harm, past.harm_evidence
    if post.probability is not None:
        place, alike = _harm_place(post.probability), _harm_place(rule.harm_from)
        if not quiet:
            harm_evidence = _heard(harm, harm_evidence, place, alike, post.draws[0])
        harm = _counted(harm, place)
    gaps, pace_evidence = past.gaps, past.pace_evidence
    # Whatever comes out of order, as when a past is imported, says nothing of the pace.
    if past.posts and post.published_at >= past.last_at:
        place = _pace_place((post.published_at - past.last_at) // _SECOND)
        if not quiet:
            alike = _pace_place(round(rule.pace_minutes * _MINUTE))
            pace_evidence = _heard(gaps, pace_evidence, place, alike, post.draws[1])
        gaps = _counted(gaps, place)
    return msgspec.structs.replace(
        past,
        posts=past.posts + 1,
        first_at=min(past.first_at, post.published_at),
        last_at=max(past.last_at, post.published_at),
        harm=harm,
        gaps=gaps,
        harm_evidence=harm_evidence,
        pace_evidence=pace_evidence,
    )


def is_changed(past: AccountPast, rule: ChangeRule) -> bool:
    """Tell whether the evidence is such as comes by chance once in `false_alarm_posts` posts at most."""
    return (past.harm_evidence + past.pace_evidence) / 2 >= rule.false_alarm_posts


def answered(past: AccountPast, until: Micros) -> AccountPast:
    """Return the same past, with what spoke for a change forgotten: it is answered, or was found no reason."""
    return msgspec.structs.replace(past, harm_evidence=0.0, pace_evidence=0.0, quiet_until=until)


def limit_at(
    past: AccountPast,
    post: WatchedPost,
    rule: NewAccountRule | ChangeRule,
    *,
    cause: LimitCause,
    now: Micros,
    until: Micros,
) -> AccountLimit:
    """Return the limit of an account that is new or has changed, imposed at this post."""
    # An account is new once, whatever its posts; it changes at one post.
    named = () if cause is LimitCause.NEW else (post.post_id,)
    return AccountLimit(
        limit_id=derived_id("l", past.platform, past.creator_id, past.policy, cause, *named),
        platform=past.platform,
        creator_id=past.creator_id,
        policy=past.policy,
        cause=cause,
        posts_per_hour=rule.posts_per_hour,
        reach_delay_minutes=rule.reach_delay_minutes,
        because=(),
        needed=0,
        decision_id=post.decision_id,
        post_id=post.post_id,
        revision=post.revision,
        imposed_at=now,
        expires_at=until,
    )


def _heard(counts: tuple[int, ...], evidence: float, place: int, alike: int, draw: float) -> float:
    """Return the evidence after a value; the places up to `alike` are one."""
    merged = (sum(counts[: alike + 1]), *counts[alike + 1 :])
    return evidence_after(evidence, rank_share(merged, max(place - alike, 0), draw))


def _counted(counts: tuple[int, ...], place: int) -> tuple[int, ...]:
    return (*counts[:place], counts[place] + 1, *counts[place + 1 :])


def _harm_place(probability: float) -> int:
    """Return the place of a probability: half octaves up to 1, as what is rare differs by factors."""
    if probability <= 0:
        return 0
    return min(max(HARM_PLACES + math.floor(2 * math.log2(probability)), 0), HARM_PLACES - 1)


def _pace_place(seconds: int) -> int:
    """Return the place of a time between posts: the shorter, the higher."""
    return PACE_PLACES - 1 - min(seconds.bit_length(), PACE_PLACES - 1)
