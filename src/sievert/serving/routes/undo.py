"""A broken hour: all that a policy did in a time without a person is counted, and taken back."""

from typing import Annotated

import msgspec
from litestar import post
from msgspec import Meta

from sievert.errors import InvalidField
from sievert.pipeline.undoing import TOGETHER, Undoing
from sievert.schema.access import AuditNote
from sievert.schema.clock import Micros, Moment, moment_of
from sievert.serving.callers import caller_of
from sievert.serving.doors import Doors
from sievert.serving.routes.posts import AnyRequest, TheDoors, record_of

UNDO = "/api/v1/undo"

MOST_A_CALL = 10 * TOGETHER
"""So many actions one call takes back at most; what is left is for the next one."""


class BrokenHour(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What shall be taken back: since <= t < until."""

    policy: Annotated[str, Meta(min_length=1, max_length=40, description="all that this policy did")]
    since: Annotated[Moment, Meta(description="from when on")]
    until: Annotated[Moment | None, Meta(description="until when; null: until now")] = None
    turn: Annotated[
        str, Meta(pattern="^(count|take_back)$", description="count what stands, or take it back")
    ] = "count"
    reason: Annotated[str, Meta(max_length=500, description="why, for the audit log")] = ""


class HourUndone(msgspec.Struct, frozen=True, kw_only=True):
    """How far a broken hour is taken back; the same call again goes on where this one ended."""

    policy: Annotated[str, Meta(description="the policy")]
    since: Annotated[Micros, Meta(description="from when on")]
    until: Annotated[Micros, Meta(description="until when")]
    taken_back: Annotated[int, Meta(description="actions that this call took back")]
    left: Annotated[
        dict[str, int], Meta(description="actions that still stand, by kind; empty: nothing is left")
    ]


@post(
    UNDO,
    status_code=200,
    opt={"scope": "actions:undo"},
    summary="Take back a broken hour",
    description="All that a policy did in a time without a person and that still stands; what isolates posts "
    "is not among it. Count first (`turn: count` changes nothing), then `take_back`: each is restored, told "
    f"by webhook and noted in the audit log, {MOST_A_CALL:,} a call at most. Whatever interrupts it, the same "
    "call again goes on, and takes nothing back twice.",
)
async def undo_hour(request: AnyRequest, doors: TheDoors) -> HourUndone:
    """Count or take back."""
    wanted = await record_of(request, BrokenHour)
    return await hour_undone(doors, wanted, by=caller_of(request).actor)


async def hour_undone(doors: Doors, wanted: BrokenHour, *, by: str) -> HourUndone:
    """Count what a policy did in a time, or take some of it back; posts have their turn in between.

    Raises:
        InvalidField: the time ends before it begins.
        StoreUnavailable: what is not taken back stands; ask again.
    """
    now = doors.clock.now()
    since = moment_of(wanted.since)
    until = now if wanted.until is None else moment_of(wanted.until)
    if since >= until:
        raise InvalidField(
            "The time ends before it begins.", field="until", remedy="Name a later until, or none."
        )
    standing, taken_back = doors.stores.standing, 0

    def left() -> dict[str, int]:
        return standing.count_automatic(wanted.policy, since, until)

    def some() -> int:
        undoing = Undoing(stores=doors.stores, announce=doors.parts.announce)
        return len(next(undoing.since(wanted.policy, since, until=until, by=by, now=doors.clock.now()), ()))

    remaining = await doors.worker.run(left)
    if wanted.turn == "take_back" and remaining:
        note = AuditNote(
            actor=by,
            event="actions.taken_back",
            subject=wanted.policy,
            details={
                "since": str(since),
                "until": str(until),
                "standing": str(sum(remaining.values())),
                "reason": wanted.reason,
            },
        )
        # Noted first: nothing may be taken back that the log does not know.
        await doors.worker.run(lambda: doors.stores.audit.append([note]))
        while taken_back < MOST_A_CALL and (count := await doors.worker.run(some)):
            taken_back += count
            doors.nudge()
        remaining = await doors.worker.run(left)
    return HourUndone(policy=wanted.policy, since=since, until=until, taken_back=taken_back, left=remaining)
