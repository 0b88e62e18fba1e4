"""What is known beside a post: what people wrote under it, who reported it, how far it spread, whose it is.

A blind judge sees the comments, which stand under the post for everybody to read and may be what it means,
and nothing else of this: reports, hides and the author's past say what others found, a forecast says what a
machine expects.

Comments and reports are read from the log of events, which forgets them after `keep_text_days`; counts
stay longer. Of events that came before this was kept with their posts, only the counts are known.

For the thread that walks the path: it reads its counters.
"""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from sievert.features.behaviour.counting import Count
from sievert.pipeline.path import Parts
from sievert.schema.clock import Micros, moment_of
from sievert.schema.decision import Decision
from sievert.schema.event import REASON_WORDS, Comment, Report
from sievert.schema.limit import AccountLimit
from sievert.stores.activity.base import PostName

NEWEST = 20
"""So many comments and reports are told, the newest; all of them are counted."""


class CommentSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A comment under a post."""

    at: Annotated[Micros, Meta(description="when it was written")]
    text: Annotated[str, Meta(description="what it says")]
    by: Annotated[str | None, Meta(description="the account that wrote it, where that was told")]


class ReportSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A report of a post."""

    at: Annotated[Micros, Meta(description="when it was made")]
    reason: Annotated[str, Meta(description="what for")]
    by: Annotated[str | None, Meta(description="the account that made it, where that was told")]
    reliability: Annotated[
        float | None, Meta(description="how likely its next report is right, by what became of the others")
    ]


class CreatorSeen(msgspec.Struct, frozen=True, kw_only=True):
    """The past of whoever published a post, this post aside."""

    creator_id: Annotated[str, Meta(description="the account, by the platform's id")]
    posts: Annotated[int, Meta(description="other posts")]
    found_harmful: Annotated[int, Meta(description="verdicts that found one of them harmful")]
    found_harmless: Annotated[int, Meta(description="verdicts that found one harmless")]
    limits: Annotated[tuple[AccountLimit, ...], Meta(description="limits that hold for the account now")]


class PostSpread(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to a post, in numbers. They say what others found: no blind judge is told."""

    views: Annotated[int, Meta(description="views so far")]
    forecast: Annotated[
        float | None, Meta(description="views to come within a week, as forecast for the newest decision")
    ]
    shares: Annotated[int, Meta(description="how often it was passed on")]
    hides: Annotated[int, Meta(description="people who did not want to see it")]
    reports: Annotated[dict[str, int], Meta(description="reports by reason, the most frequent first")]
    newest_reports: Annotated[tuple[ReportSeen, ...], Meta(description="the newest reports, newest first")]


class PostContext(msgspec.Struct, frozen=True, kw_only=True):
    """What is known beside a post; of a blind case the comments alone."""

    comments: Annotated[
        tuple[CommentSeen, ...], Meta(description="the newest comments that are kept, newest first")
    ] = ()
    comments_counted: Annotated[int, Meta(description="all comments that came, forgotten ones too")] = 0
    spread: Annotated[PostSpread | None, Meta(description="what happened to it; null if it is blind")] = None
    creator: Annotated[
        CreatorSeen | None, Meta(description="whose it is; null if it is blind or nobody told")
    ] = None


def context_of(
    parts: Parts, name: PostName, decision: Decision | None, *, blind: bool, newest: int = NEWEST
) -> PostContext:
    """Return what is known beside a post; `decision` is the newest one about it."""
    totals = parts.counters.totals(name)
    comments = tuple(
        CommentSeen(at=moment_of(one.at), text=one.text, by=one.actor_id)
        for one in parts.counters.told(name, Comment, most=newest)
    )
    seen = PostContext(comments=comments, comments_counted=int(totals[Count.COMMENTS]))
    if blind:
        return seen
    by_reason = {word: int(totals[Count.REASONS + place]) for place, word in enumerate(REASON_WORDS)}
    most_first = sorted(by_reason.items(), key=lambda one: -one[1])
    spread = PostSpread(
        views=int(totals[Count.VIEWS]),
        forecast=None if decision is None else decision.forecast,
        shares=int(totals[Count.SHARES]),
        hides=int(totals[Count.HIDES]),
        reports={word: count for word, count in most_first if count},
        newest_reports=_reports(parts, name.platform, parts.counters.told(name, Report, most=newest)),
    )
    creator_id = None if decision is None else decision.creator_id
    creator = None if creator_id is None else _creator(parts, name, creator_id)
    return msgspec.structs.replace(seen, spread=spread, creator=creator)


def _reports(parts: Parts, platform: str, reports: Sequence[Report]) -> tuple[ReportSeen, ...]:
    who = [*dict.fromkeys(one.actor_id for one in reports if one.actor_id is not None)]
    believed = dict(
        zip(
            who, parts.counters.reliability_of([PostName(platform, one) for one in who]).tolist(), strict=True
        )
    )
    return tuple(
        ReportSeen(
            at=moment_of(one.at),
            reason=one.reason,
            by=one.actor_id,
            reliability=None if one.actor_id is None else believed[one.actor_id],
        )
        for one in reports
    )


def _creator(parts: Parts, name: PostName, creator_id: str) -> CreatorSeen:
    others = parts.counters.known([name], parts.counters.latest).others[0, :, 0]  # [COUNTS] plain counts
    holding = (
        parts.limiting.stores.limits.holding(name.platform, creator_id) if parts.limiting is not None else ()
    )
    return CreatorSeen(
        creator_id=creator_id,
        posts=int(others[Count.POSTS]),
        found_harmful=int(others[Count.FOUND_HARMFUL]),
        found_harmless=int(others[Count.FOUND_HARMLESS]),
        limits=holding,
    )
