"""Limits of accounts: listed, explained, and lifted by a person."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from msgspec import Meta

from sievert.pipeline.limiting import Limiting
from sievert.pipeline.stating import Stating
from sievert.schema.limit import AccountLimit
from sievert.schema.statement import LimitStatement
from sievert.serving.callers import caller_of
from sievert.serving.routes.actions import FormatName, is_dsa
from sievert.serving.routes.posts import AnyRequest, TheDoors
from sievert.serving.routes.records import Limit


class AccountLimitList(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of accounts, newest first."""

    items: Annotated[list[AccountLimit], Meta(description="the records, newest first, lifted ones too")]


@get(
    "/api/v1/limits",
    opt={"scope": "decisions:read"},
    summary="List limits of accounts",
    description="Newest first: accounts that may post less or reach people later, and why.",
)
async def limits(doors: TheDoors, limit: Limit = 100) -> AccountLimitList:
    """Return the newest limits."""
    return AccountLimitList(items=await asyncio.to_thread(doors.stores.limits.newest, limit))


@post(
    "/api/v1/limits/{limit_id:str}/undo",
    status_code=200,
    opt={"scope": "actions:undo"},
    summary="Lift a limit of an account",
    description="A webhook says so. A limit that does not hold any more is a conflict.",
)
async def lift(request: AnyRequest, doors: TheDoors, limit_id: FromPath[str]) -> AccountLimit:
    """Lift a limit."""
    limiting = Limiting(stores=doors.stores, policies=doors.parts.policies, announce=doors.parts.announce)
    by, now = caller_of(request).actor, doors.clock.now()
    lifted = await doors.worker.run(lambda: limiting.lift(limit_id, by=by, now=now))
    doors.nudge()
    return lifted


@get(
    "/api/v1/limits/{limit_id:str}/statement",
    opt={"scope": "decisions:read"},
    summary="State the reasons for a limit of an account",
    description="In plain words for whoever has the account; format=dsa gives the record that the EU's DSA "
    "Transparency Database takes.",
)
async def limit_statement(
    doors: TheDoors,
    limit_id: FromPath[str],
    format: FormatName = "words",  # noqa: A002  the name that clients write
) -> Response[LimitStatement | dict[str, Any]]:
    """Return the statement."""
    stating = Stating(stores=doors.stores, policies=doors.parts.policies)
    state: Callable[[str], LimitStatement | dict[str, Any]] = (
        stating.limit_dsa if is_dsa(format) else stating.limit
    )
    return Response(content=await doors.worker.run(lambda: state(limit_id)))
