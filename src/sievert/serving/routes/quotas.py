"""What policies may still spend, what their breakers count, and what waits for people."""

from typing import Annotated

import msgspec
from litestar import get
from msgspec import Meta

from sievert.pipeline.checking import BROKEN
from sievert.schema.clock import Micros
from sievert.schema.policy import Mode
from sievert.schema.stop import Stop
from sievert.serving.doors import Doors
from sievert.serving.routes.posts import TheDoors


class PolicyQuota(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy may spend, and what of it is spent. Hours and days are full ones of UTC."""

    policy: Annotated[str, Meta(description="the policy")]
    mode: Annotated[Mode, Meta(description="what its file says: the most that it may do")]
    reviews_per_hour: Annotated[int, Meta(description="cases that it may open an hour")]
    reviews_spent: Annotated[int, Meta(description="those of this hour")]
    removals_per_day: Annotated[int, Meta(description="posts that it may remove a day; then people decide")]
    removals_spent: Annotated[int, Meta(description="those of this day")]
    removals_this_hour: Annotated[
        int, Meta(description="what it removed this hour without a person, since it last went on")
    ]
    flood: Annotated[
        int | None,
        Meta(description="the removal of this hour at which its breaker stops it, by its usual rate"),
    ]
    demotions_this_hour: Annotated[
        int, Meta(description="what it demoted this hour without a person, since it last went on")
    ]
    demotions_flood: Annotated[
        int | None,
        Meta(
            description="the demotion of this hour at which its breaker stops it, by its usual rate; null in the first day of an installation"
        ),
    ]
    stopped: Annotated[tuple[Stop, ...], Meta(description="switches that hold for it now")]


class QuotaList(msgspec.Struct, frozen=True, kw_only=True):
    """What each policy may still spend."""

    at: Annotated[Micros, Meta(description="the moment that it is about")]
    items: Annotated[list[PolicyQuota], Meta(description="the policies, as they are listed in the set")]


class QueueLine(msgspec.Struct, frozen=True, kw_only=True):
    """Cases of one policy and kind."""

    policy: Annotated[str, Meta(description="the policy that asks")]
    kind: Annotated[str, Meta(description="what asks: a decision, an audit, an appeal, a measurement")]
    waiting: Annotated[int, Meta(description="cases that wait for somebody")]
    claimed: Annotated[int, Meta(description="cases that somebody has")]
    oldest: Annotated[Micros, Meta(description="when the oldest of them was opened")]


class QueueState(msgspec.Struct, frozen=True, kw_only=True):
    """What waits for people, by policy and kind; known answers are not counted."""

    at: Annotated[Micros, Meta(description="the moment that it is about")]
    items: Annotated[list[QueueLine], Meta(description="by policy and kind")]


@get(
    "/api/v1/quotas",
    opt={"scope": "decisions:read"},
    summary="What policies may still spend",
    description="Reviews this hour, removals today, what the breaker counts, and what is stopped.",
)
async def quotas(doors: TheDoors) -> QuotaList:
    """Return each policy's quotas."""
    return await doors.worker.run(lambda: quotas_of(doors))


@get(
    "/api/v1/queue",
    opt={"scope": "decisions:read"},
    summary="What waits for people",
    description="Cases by policy and kind, how many somebody has, and how old the oldest is.",
)
async def queue(doors: TheDoors) -> QueueState:
    """Return how long the queues are."""
    return await doors.worker.run(lambda: queue_of(doors))


def quotas_of(doors: Doors) -> QuotaList:
    """Return each policy's quotas, in the worker's thread."""
    now, parts = doors.clock.now(), doors.parts
    reviews, removals = parts.budgets.reviews.room(now), parts.budgets.removals.room(now)
    stopped = doors.stores.stops.running()
    items = []
    for one in parts.policies.policies:
        removed, demoted = (parts.checking.rate(one, kind, now) for kind in BROKEN)
        items.append(
            PolicyQuota(
                policy=one.name,
                mode=one.mode,
                reviews_per_hour=one.reviews_per_hour,
                reviews_spent=one.reviews_per_hour - reviews[one.name],
                removals_per_day=one.removals_per_day,
                removals_spent=one.removals_per_day - removals[one.name],
                removals_this_hour=removed.done,
                flood=removed.flood,
                demotions_this_hour=demoted.done,
                demotions_flood=demoted.flood,
                stopped=tuple(stop for stop in stopped if stop.holds_for(one.name)),
            )
        )
    return QuotaList(at=now, items=items)


def queue_of(doors: Doors) -> QueueState:
    """Return how long the queues are, in the worker's thread."""
    lines: dict[tuple[str, str], QueueLine] = {}
    for one in doors.desk.reviews.waits():
        known = lines.get((one.policy, one.kind))
        waiting, claimed = (one.cases, 0) if one.state == "open" else (0, one.cases)
        lines[one.policy, one.kind] = QueueLine(
            policy=one.policy,
            kind=one.kind,
            waiting=waiting + (known.waiting if known else 0),
            claimed=claimed + (known.claimed if known else 0),
            oldest=min(one.oldest, known.oldest) if known else one.oldest,
        )
    return QueueState(at=doors.clock.now(), items=[*lines.values()])
