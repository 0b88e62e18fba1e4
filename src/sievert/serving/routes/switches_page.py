"""Switches and quotas, as a page: what is stopped, by whom and why; what is used of what policies may spend."""

import asyncio
from typing import Annotated

from litestar import Response, get, post
from litestar.params import QueryParameter

from sievert.errors import InvalidField
from sievert.schema.stop import EVERY_POLICY, StopKind
from sievert.serving.callers import PAGE, SIGNED_IN, caller_of
from sievert.serving.doors import Doors
from sievert.serving.forms import form_of
from sievert.serving.pages import names_of, page, see, with_query
from sievert.serving.routes.posts import AnyRequest, TheDoors
from sievert.serving.routes.quotas import QuotaList, quotas_of
from sievert.serving.routes.switch import RESUME, SwitchState, SwitchTurn, state_of, turned

SWITCHES = "/switches"
READ = {"scope": SIGNED_IN, PAGE: True}
TURN = {"scope": "switch:stop", PAGE: True}
TURNS = ("stop", "resume")
PAST = 50
"""Past stops that are shown."""

_MOST_WORDS = 500
Word = Annotated[str, QueryParameter(max_length=40)]


@get(SWITCHES, opt=READ, include_in_schema=False)
async def switches_page(request: AnyRequest, doors: TheDoors, done: Word = "") -> Response[bytes]:
    """Show switches to everybody who signed in, and quotas to whoever reads decisions."""
    reads = caller_of(request).may("decisions:read")

    def read() -> tuple[SwitchState, QuotaList | None]:
        return state_of(doors.stores.stops.all()), quotas_of(doors) if reads else None

    state, quotas = await doors.worker.run(read)
    return page(
        request,
        "switches.html",
        stopped=state.stopped,
        past=state.past[: -PAST - 1 : -1],
        quotas=quotas,
        names=await asyncio.to_thread(names_of, doors.stores.people),
        policies=[one.name for one in doors.parts.policies.policies],
        done=done if done in TURNS else "",
    )


@get(f"{SWITCHES}/turn", opt=TURN, include_in_schema=False)
async def turn_page(
    request: AnyRequest, doors: TheDoors, turn: Word = "stop", what: Word = "removals", policy: Word = ""
) -> Response[bytes]:
    """Say what a turn of a switch does, and ask for the reason."""
    return await _ask(request, doors, turn, what, policy)


@post(SWITCHES, opt=TURN, include_in_schema=False)
async def turn_switch(request: AnyRequest, doors: TheDoors) -> Response[bytes]:
    """Turn a switch."""
    form = await form_of(request)
    turn, what, policy, reason = (form.text(name) for name in ("turn", "what", "policy", "reason"))
    if turn == "resume":
        await request.state.admit_to(scope=RESUME)
    known = turn in TURNS and what in {*StopKind}
    if not known or not reason.strip() or len(reason) > _MOST_WORDS:
        return await _ask(request, doors, turn, what, policy, refused="Say why, in a sentence or two.")
    wanted = SwitchTurn(turn=turn, what=StopKind(what), policy=policy, reason=reason.strip())
    try:
        await doors.worker.run(lambda: turned(doors, wanted, by=caller_of(request).actor))
    except InvalidField as error:
        return await _ask(request, doors, turn, what, policy, refused=f"{error.what} {error.remedy}")
    return see(with_query(SWITCHES, done=turn))


async def _ask(
    request: AnyRequest, doors: Doors, turn: str, what: str, policy: str, *, refused: str = ""
) -> Response[bytes]:
    names = {EVERY_POLICY, *(one.name for one in doors.parts.policies.policies)}
    if turn not in TURNS or what not in {*StopKind} or policy not in names:
        raise InvalidField("There is no such switch.", field="policy", remedy=f"Choose one at {SWITCHES}.")
    if turn == "resume":
        await request.state.admit_to(scope=RESUME)
    return page(
        request,
        "turn.html",
        status_code=422 if refused else 200,
        turn=turn,
        what=what,
        policy=policy,
        refused=refused,
        most=_MOST_WORDS,
    )
