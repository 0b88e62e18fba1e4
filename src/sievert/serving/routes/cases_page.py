"""What waits for people, as a page: counts and ages, and the newest cases without any text."""

import asyncio
from typing import Annotated

from litestar import Response, get
from litestar.params import QueryParameter

from sievert.schema.action import CaseKind
from sievert.schema.bank import MINORS_POLICY
from sievert.serving.callers import PAGE
from sievert.serving.pages import page
from sievert.serving.routes.posts import AnyRequest, TheDoors
from sievert.serving.routes.quotas import queue_of

_A_PAGE = 50


@get("/cases", opt={"scope": "decisions:read", PAGE: True}, include_in_schema=False)
async def cases_page(
    request: AnyRequest,
    doors: TheDoors,
    policy: Annotated[str, QueryParameter(max_length=64)] = "",
    cursor: Annotated[str, QueryParameter(max_length=256)] = "",
) -> Response[bytes]:
    """Show the queue."""
    queue = await doors.worker.run(lambda: queue_of(doors))
    listed = await asyncio.to_thread(
        doors.stores.cases.list,
        policy=policy or None,
        without=MINORS_POLICY,
        cursor=cursor or None,
        limit=_A_PAGE,
    )
    return page(
        request,
        "cases.html",
        queue=queue,
        # Whoever reads this may judge, too: nothing may tell a known answer.
        cases=[one for one in listed.items if one.kind != CaseKind.GOLD],
        cursor=listed.cursor,
        policy=policy,
        policies=[one.name for one in doors.parts.policies.policies],
    )
