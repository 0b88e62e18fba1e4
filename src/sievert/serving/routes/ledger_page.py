"""The ledger, as a page: how each policy's removals stand, on what evidence, and a way to end them."""

import asyncio
import math
from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, QueryParameter

from sievert.errors import InvalidField
from sievert.guardrail.standing import Standing
from sievert.schema.guardrail import AuditBy, EntryKind, LedgerEntry
from sievert.serving.callers import PAGE, caller_of
from sievert.serving.doors import Doors
from sievert.serving.forms import form_of
from sievert.serving.pages import names_of, page, see, with_query
from sievert.serving.routes.guardrail import (
    MOST_WORDS,
    PolicyLedger,
    Withdrawal,
    ledger_of,
    standings_now,
    withdrawn,
)
from sievert.serving.routes.posts import AnyRequest, TheDoors

LEDGER = "/ledger"
READ = {"scope": "decisions:read", PAGE: True}
WRITE = {"scope": "policies:write", PAGE: True}

WIDTH, HEIGHT = 600, 120
"""Of the drawing, in its own units; the evidence that withdraws a certificate stands `FIRES` below its top."""

FIRES = 20
LEAST = 0.0001
"""Evidence is a wealth that is multiplied by each audit, so it is drawn on a logarithmic scale that begins here."""

MARKS = (0.001, 0.01, 0.1)
"""Evidence at which the drawing has a thin line."""

_SHOWN = 100

Platform = Annotated[str, QueryParameter(max_length=128)]


class EvidenceLine(msgspec.Struct, frozen=True, kw_only=True):
    """The evidence against one precision over time, as the points of a drawing."""

    by: str
    points: str


@get(LEDGER, opt=READ, include_in_schema=False)
async def ledger_page(
    request: AnyRequest, doors: TheDoors, done: Annotated[str, QueryParameter(max_length=20)] = ""
) -> Response[bytes]:
    """Show how every policy stands."""
    stands = await asyncio.to_thread(standings_now, doors)
    return page(request, "ledger.html", standings=stands, now=doors.clock.now(), done=done)


@get(LEDGER + "/{policy:str}", opt=READ, include_in_schema=False)
async def policy_page(request: AnyRequest, doors: TheDoors, policy: FromPath[str]) -> Response[bytes]:
    """Show all that is known about one policy's removals."""

    def read() -> tuple[list[Standing], PolicyLedger]:
        return [one for one in standings_now(doors) if one.policy == policy], ledger_of(doors, policy)

    stands, kept = await asyncio.to_thread(read)
    return page(
        request,
        "policy_ledger.html",
        policy=policy,
        standings=stands,
        certificates=kept.certificates[::-1],
        attempts=kept.attempts[::-1],
        entries=kept.entries[: -_SHOWN - 1 : -1],
        lines=evidence_lines(kept.entries),
        width=WIDTH,
        height=HEIGHT,
        fires=FIRES,
        marks=[(share, height_of(share)) for share in MARKS],
        heard=[one for one in kept.entries if one.kind is EntryKind.AUDIT],
        names=await asyncio.to_thread(names_of, doors.stores.people),
        now=doors.clock.now(),
    )


@get(LEDGER + "/{policy:str}/withdraw", opt=WRITE, include_in_schema=False)
async def withdraw_page(
    request: AnyRequest, doors: TheDoors, policy: FromPath[str], platform: Platform = "default"
) -> Response[bytes]:
    """Ask for the reason, and say what follows."""
    return await _ask(request, doors, policy, platform)


@post(LEDGER + "/{policy:str}/withdraw", opt=WRITE, include_in_schema=False)
async def withdraw(request: AnyRequest, doors: TheDoors, policy: FromPath[str]) -> Response[bytes]:
    """Withdraw a policy's certificate."""
    form = await form_of(request)
    platform, reason = form.text("platform") or "default", form.text("reason").strip()
    if not reason or len(reason) > MOST_WORDS:
        return await _ask(request, doors, policy, platform, refused="Say why, in a sentence or two.")
    try:
        said = Withdrawal(reason=reason, platform=platform)
        await withdrawn(doors, policy, said, by=caller_of(request).actor)
    except InvalidField as error:
        return await _ask(request, doors, policy, platform, refused=f"{error.what} {error.remedy}")
    return see(with_query(LEDGER, done="withdrawn"))


def evidence_lines(entries: list[LedgerEntry]) -> list[EvidenceLine]:
    """Return a line for each precision of which two audits or more were heard, over the time of all of them."""
    heard = [one for one in entries if one.kind is EntryKind.AUDIT]
    if not heard:
        return []
    first, last = heard[0].at, heard[-1].at
    lines = []
    for by in AuditBy:
        mine = [one for one in heard if one.by == by]
        points = [
            f"{(one.at - first) / max(last - first, 1) * WIDTH:.1f},{height_of(one.evidence):.1f}"
            for one in mine
        ]
        if len(points) > 1:
            lines.append(EvidenceLine(by=by.value, points=" ".join(points)))
    return lines


def height_of(evidence: float) -> float:
    """Return where evidence stands in the drawing, from its top: what withdraws the certificate at `FIRES`."""
    drawn = min(max(evidence, LEAST), 1.0)
    return FIRES + (HEIGHT - FIRES) * math.log(drawn) / math.log(LEAST)


async def _ask(
    request: AnyRequest, doors: Doors, policy: str, platform: str, *, refused: str = ""
) -> Response[bytes]:
    stands = await asyncio.to_thread(standings_now, doors)
    mine = next((one for one in stands if (one.policy, one.platform) == (policy, platform)), None)
    return page(
        request,
        "withdraw.html",
        status_code=422 if refused else 200,
        policy=policy,
        platform=platform,
        standing=mine,
        refused=refused,
        most=MOST_WORDS,
    )
