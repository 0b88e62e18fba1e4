"""A broken hour, as a page: name it, see how much of it stands, take it back part by part."""

import datetime as dt
from typing import Annotated

from litestar import Response, get, post
from litestar.params import QueryParameter

from sievert.errors import InvalidField
from sievert.schema.clock import Micros, to_text
from sievert.serving.callers import PAGE, caller_of
from sievert.serving.doors import Doors
from sievert.serving.forms import form_of
from sievert.serving.moments import moment_from
from sievert.serving.pages import page, see, with_query
from sievert.serving.routes.posts import AnyRequest, TheDoors
from sievert.serving.routes.undo import MOST_A_CALL, BrokenHour, HourUndone, hour_undone

UNDO_PAGE = "/undo"
OPTIONS = {"scope": "actions:undo", PAGE: True}

_MOST_WORDS = 500
Word = Annotated[str, QueryParameter(max_length=64)]


@get(UNDO_PAGE, opt=OPTIONS, include_in_schema=False)
async def undo_page(
    request: AnyRequest,
    doors: TheDoors,
    *,
    policy: Word = "",
    since: Word = "",
    until: Word = "",
    done: Word = "",
) -> Response[bytes]:
    """Ask which hour was broken, and count what stands of it."""
    return await _show(request, doors, policy, since, until, done=done)


@post(UNDO_PAGE, opt=OPTIONS, include_in_schema=False)
async def undo(request: AnyRequest, doors: TheDoors) -> Response[bytes]:
    """Take back as much as one request may, and show what is left."""
    form = await form_of(request)
    policy, since, until, reason = (form.text(name) for name in ("policy", "since", "until", "reason"))
    if not reason.strip() or len(reason) > _MOST_WORDS:
        return await _show(request, doors, policy, since, until, refused="Say why, in a sentence or two.")
    try:
        wanted = _wanted(policy, since, until, turn="take_back", reason=reason.strip())
        did = await hour_undone(doors, wanted, by=caller_of(request).actor)
    except InvalidField as error:
        return await _show(request, doors, policy, since, until, refused=f"{error.what} {error.remedy}")
    # The end as it was counted: a policy that goes on removing must not make the hour longer.
    shown = {"since": to_text(did.since), "until": to_text(did.until)}
    return see(with_query(UNDO_PAGE, policy=policy, done=str(did.taken_back), **shown))


async def _show(
    request: AnyRequest,
    doors: Doors,
    policy: str,
    since: str,
    until: str,
    *,
    done: str = "",
    refused: str = "",
) -> Response[bytes]:
    counted: HourUndone | None = None
    if policy and since and not refused:
        try:
            wanted = _wanted(policy, since, until, turn="count")
            counted = await hour_undone(doors, wanted, by=caller_of(request).actor)
        except InvalidField as error:
            refused = f"{error.what} {error.remedy}"
    return page(
        request,
        "broken_hour.html",
        status_code=422 if refused else 200,
        policies=[one.name for one in doors.parts.policies.policies],
        policy=policy,
        since=since,
        until=until,
        counted=counted,
        exact=None if counted is None else (to_text(counted.since), to_text(counted.until)),
        done=int(done) if done.isascii() and done.isdecimal() else None,
        refused=refused,
        a_call=MOST_A_CALL,
        most=_MOST_WORDS,
    )


def _wanted(policy: str, since: str, until: str, *, turn: str, reason: str = "") -> BrokenHour:
    """Return what was asked for.

    Raises:
        InvalidField: a time is none.
    """
    if len(policy) > 40:
        raise InvalidField("There is no such policy.", field="policy", remedy="Choose one of the list.")
    end = _moment("until", until) if until else None
    return BrokenHour(policy=policy, since=_moment("since", since), until=end, turn=turn, reason=reason)


def _moment(field: str, given: str) -> Micros:
    """Read a moment; what a browser's own field for times gives has no zone, and is UTC as the page says."""
    try:
        zoneless = dt.datetime.fromisoformat(given).tzinfo is None
    except ValueError:
        zoneless = False
    return moment_from(field, f"{given}Z" if zoneless else given)
