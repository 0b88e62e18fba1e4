"""Posts are drawn to be audited: by keyed hash, with the probability of each draw kept, as blind cases.

An attempt draws once, from its frame. While a certificate removes, a share of what it removed is drawn
again and again: whenever enough was removed since the last draw, some evenly and some by capped views, with
replacement. Draws by views need no weights then, so that both monitors hear plain outcomes.

A post that is drawn twice is judged once. Whoever judges sees neither score nor reason.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sievert.guardrail.frames import Window
from sievert.measurement.designs import draw, half_and_half, key_for
from sievert.schema.action import Case, CaseKind
from sievert.schema.clock import DAY, Micros
from sievert.schema.decision import decision_id
from sievert.schema.guardrail import Attempt, Audit, AuditBy, Crossing, KeptCertificate
from sievert.schema.identity import derived_id, keyed_id
from sievert.schema.policy import Policy
from sievert.schema.post import PostKey

AUDIT_RATE = 0.05
"""The share of removals that is drawn evenly while a certificate is live, and as many again by views."""

LONGEST_BETWEEN: Micros = DAY
"""After so long what was removed is audited, however little it was."""

JUDGES = 2
"""People who must agree about an audit, each without the others."""

PRIORITY = 1e6
"""Of every audit alike: a priority must not tell of a score. Above what forecasts bring, below what is isolated."""


def draw_attempt(attempt: Attempt, window: Window, *, secret: bytes, now: Micros) -> tuple[Audit, ...]:
    """Draw both halves of an attempt's audits, in the numbers that were fixed when it was opened.

    Raises:
        InvalidField: no post of the frame has any forecast views, or the secret is too short.
    """
    halves = window.frame.draw(
        window.names,
        key=attempt_key(attempt, secret),
        count=attempt.audits_posts,
        of_views=attempt.audits_views,
    )
    both = ((AuditBy.POSTS, halves.posts), (AuditBy.VIEWS, halves.views))
    return tuple(
        _audit(
            attempt.attempt_id, by, place, window.firsts[row], probability=probability, secret=secret, now=now
        )
        for by, draws in both
        for place, (row, probability) in enumerate(
            zip(draws.rows.tolist(), draws.probability.tolist(), strict=True)
        )
    )


def attempt_key(attempt: Attempt, secret: bytes) -> bytes:
    """Return the key of an attempt's frame."""
    return key_for(secret, purpose=f"attempt {attempt.attempt_id}")


def due(removals: int, kept: KeptCertificate, *, now: Micros, rate: float = AUDIT_RATE) -> int:
    """Return how many draws of each kind are due from so many removals; 0 while it is too early."""
    if not removals or rate <= 0:
        return 0
    expected = removals * rate
    if expected < 1 and now - kept.drawn_at < LONGEST_BETWEEN:
        return 0
    return max(1, round(expected))


def draw_removals(
    kept: KeptCertificate,
    removals: Sequence[Crossing],
    policy: Policy,
    *,
    through: int,
    count: int,
    secret: bytes,
    now: Micros,
) -> tuple[Audit, ...]:
    """Draw `count` audits evenly and as many by capped views, of what was removed since the last draw.

    Where nothing has forecast views all are drawn evenly.
    """
    names = [one.decision_id for one in removals]
    views = np.array([one.views for one in removals])
    key = key_for(secret, purpose=f"removals of {kept.name} through {through}")
    first = kept.drawn_through  # the places of later draws follow those of earlier ones
    if views.sum() > 0:
        halves = half_and_half(names, views, cap=policy.most_views, key=key, count=count)
        both = ((AuditBy.POSTS, halves.posts), (AuditBy.VIEWS, halves.views))
    else:
        even: npt.NDArray[np.float64] = np.ones(len(names))
        both = (
            (AuditBy.POSTS, draw(names, even, key=key_for(key, purpose="half of posts"), count=count)),
            (AuditBy.VIEWS, draw(names, even, key=key_for(key, purpose="half of views"), count=count)),
        )
    return tuple(
        _audit(kept.name, by, first + place, removals[row], probability=probability, secret=secret, now=now)
        for by, draws in both
        for place, (row, probability) in enumerate(
            zip(draws.rows.tolist(), draws.probability.tolist(), strict=True)
        )
    )


def cases_of(
    audits: Sequence[Audit], *, now: Micros, kind: CaseKind = CaseKind.AUDIT, in_order: bool = False
) -> tuple[Case, ...]:
    """Return one blind case for each post that was drawn, about its first audit; `in_order`, those first in front."""
    firsts: dict[str, Audit] = {}
    for audit in audits:
        firsts.setdefault(audit.case_id, audit)
    return tuple(
        Case(
            case_id=case_id,
            decision_id=one.decision_id,
            platform=one.platform,
            post_id=one.post_id,
            revision=one.revision,
            policy=one.policy,
            opened_at=now,
            priority=PRIORITY - place if in_order else PRIORITY,
            kind=kind,
            judges=JUDGES,
            blind=True,
            about=one.audit_id,
        )
        for place, (case_id, one) in enumerate(firsts.items())
    )


def audit_of(
    post: PostKey,
    *,
    named: Sequence[str],
    purpose: str,
    together: str = "",
    policy: str,
    by: AuditBy,
    place: int,
    probability: float,
    p: float,
    views: float,
    secret: bytes,
    now: Micros,
    decision: str = "",
    day: Micros = 0,
) -> Audit:
    """Write down that a post was drawn: the `place`-th of `named`, with so much probability in one draw.

    Draws of one post for the same purpose, or for purposes that go `together`, are one case; its id follows from a
    secret, so that nobody can tell what it is for. Without another `decision` it is the first about the post.
    """
    return Audit(
        audit_id=derived_id("u", *named, str(place)),
        purpose=purpose,
        policy=policy,
        by=by,
        place=place,
        probability=min(probability, 1.0),
        platform=post.platform,
        post_id=post.id,
        revision=post.revision,
        decision_id=decision or decision_id(post),
        p=p,
        views=views,
        drawn_at=now,
        case_id=keyed_id("c", secret, together or purpose, post.platform, post.id, str(post.revision)),
        day=day,
    )


def _audit(
    purpose: str,
    by: AuditBy,
    place: int,
    crossing: Crossing,
    *,
    probability: float,
    secret: bytes,
    now: Micros,
) -> Audit:
    return audit_of(
        PostKey(crossing.platform, crossing.post_id, crossing.revision),
        named=(purpose, by),
        purpose=purpose,
        policy=crossing.policy,
        by=by,
        place=place,
        probability=probability,
        p=crossing.p,
        views=crossing.views,
        secret=secret,
        now=now,
        decision=crossing.decision_id,
    )
