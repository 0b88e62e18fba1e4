"""The switch: what is stopped, and how to stop it or let it go on."""

from typing import Annotated

import msgspec
from litestar import get, post
from msgspec import Meta

from sievert.pipeline.switching import Switching
from sievert.schema.stop import EVERY_POLICY, Stop, StopKind
from sievert.serving.callers import caller_of
from sievert.serving.doors import Doors
from sievert.serving.routes.posts import AnyRequest, TheDoors, record_of

SWITCH = "/api/v1/switch"
RESUME = "switch:resume"
"""The scope that letting things go on needs, beside that of the address: who may stop them may not do that yet."""


class SwitchTurn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What shall be stopped, or go on."""

    turn: Annotated[str, Meta(pattern="^(stop|resume)$", description="stop or resume")]
    what: Annotated[StopKind, Meta(description="removals, demotions, or all that is done automatically")]
    policy: Annotated[str, Meta(max_length=40, description="one policy only; empty: every one")] = (
        EVERY_POLICY
    )
    reason: Annotated[str, Meta(max_length=500, description="why, for the audit log")] = ""


class SwitchState(msgspec.Struct, frozen=True, kw_only=True):
    """What is stopped now, and what was."""

    stopped: Annotated[tuple[Stop, ...], Meta(description="what is stopped now; nothing: all goes on")]
    past: Annotated[tuple[Stop, ...], Meta(description="what was stopped and goes on again, oldest first")]


@get(
    SWITCH,
    opt={"scope": "decisions:read"},
    summary="What is stopped?",
    description="Switches that people or breakers turned off. What is stopped is not done; people decide.",
)
async def switch(doors: TheDoors) -> SwitchState:
    """Return what is stopped."""
    return await doors.worker.run(lambda: state_of(doors.stores.stops.all()))


@post(
    SWITCH,
    status_code=200,
    opt={"scope": "switch:stop"},
    summary="Stop removals, demotions, or everything; or let it go on",
    description="Of one policy or of every one, within a second in every server over the same data. What "
    f"would be done goes to people meanwhile. Isolated posts stay isolated. To resume needs the scope {RESUME} "
    "as well.",
)
async def turn_switch(request: AnyRequest, doors: TheDoors) -> SwitchState:
    """Turn a switch."""
    wanted = await record_of(request, SwitchTurn)
    if wanted.turn == "resume":
        await request.state.admit_to(scope=RESUME)

    by = caller_of(request).actor
    return await doors.worker.run(lambda: turned(doors, wanted, by=by))


def turned(doors: Doors, wanted: SwitchTurn, *, by: str) -> SwitchState:
    """Turn a switch, in the worker's thread.

    Raises:
        InvalidField: there is no such policy.
    """
    switching = Switching(stores=doors.stores, policies=doors.parts.policies)
    turn = switching.stop if wanted.turn == "stop" else switching.go_on
    turn(wanted.what, policy=wanted.policy, reason=wanted.reason, by=by, now=doors.clock.now())
    doors.parts.checking.forget()
    return state_of(doors.stores.stops.all())


def state_of(stops: tuple[Stop, ...]) -> SwitchState:
    """Part what is stopped from what was."""
    return SwitchState(
        stopped=tuple(one for one in stops if one.ended_at is None),
        past=tuple(one for one in stops if one.ended_at is not None),
    )
