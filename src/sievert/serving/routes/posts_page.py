"""A post's trail, as a page: what was decided and why, what was done, what people found; and undo."""

import asyncio
from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.params import QueryParameter

from sievert.errors import Forbidden, NotFound, NotStanding
from sievert.pipeline.stating import Stating
from sievert.schema.action import ActionKind, ActionState
from sievert.schema.post import DEFAULT_PLATFORM, MAX_ID_BYTES, PostKey
from sievert.schema.review import Appeal
from sievert.serving.callers import PAGE, caller_of
from sievert.serving.doors import Doors
from sievert.serving.forms import form_of
from sievert.serving.pages import names_of, page, see, with_query
from sievert.serving.routes.actions import take_back
from sievert.serving.routes.posts import AnyRequest, PostTrail, TheDoors, trail_of

POSTS_PAGE = "/posts"

Name = Annotated[str, QueryParameter(max_length=MAX_ID_BYTES)]


class ActionLine(msgspec.Struct, frozen=True, kw_only=True):
    """An action, what became of it, and the appeal against it, if there is one."""

    state: ActionState
    appeal: Appeal | None
    statement: str  # to the author, in plain words; empty if nothing is said

    @property
    def can_be_undone(self) -> bool:
        """Tell whether it can be taken back over HTTP: it stands, or it is a restore that stands."""
        return self.state.undone_by is None and self.state.action.kind != ActionKind.ISOLATE


@get(POSTS_PAGE, opt={"scope": "decisions:read", PAGE: True}, include_in_schema=False)
async def posts_page(
    request: AnyRequest,
    doors: TheDoors,
    *,
    post_id: Annotated[str, QueryParameter(name="id", max_length=MAX_ID_BYTES)] = "",
    platform: Name = DEFAULT_PLATFORM,
    done: Annotated[str, QueryParameter(max_length=20)] = "",
) -> Response[bytes]:
    """Show a post's trail, or ask for its id."""
    return await _trail(request, doors, platform, post_id, done=done)


@post(f"{POSTS_PAGE}/undo", opt={"scope": "actions:undo", PAGE: True}, include_in_schema=False)
async def undo(request: AnyRequest, doors: TheDoors) -> Response[bytes]:
    """Take an action back; of a restore: do again what it took back."""
    form = await form_of(request)
    action_id, by = form.text("action")[:64], caller_of(request).actor
    platform, post_id = form.text("platform"), form.text("id")
    try:
        await doors.worker.run(lambda: take_back(doors, action_id, by=by))
    except (Forbidden, NotFound, NotStanding) as error:
        refused = f"{error.what} {error.remedy}"
        return await _trail(request, doors, platform, post_id, refused=refused)
    doors.nudge()
    return see(with_query(POSTS_PAGE, id=post_id, platform=platform, done="undone"))


async def _trail(
    request: AnyRequest, doors: Doors, platform: str, post_id: str, *, done: str = "", refused: str = ""
) -> Response[bytes]:
    may_read = caller_of(request).may("decisions:read")

    def read() -> tuple[PostTrail | None, list[ActionLine]]:
        try:
            told = trail_of(doors, platform, post_id)
        except NotFound:
            return None, []
        return told, _lines(doors, told)

    told, lines = await doors.worker.run(read) if post_id and may_read else (None, [])
    return page(
        request,
        "post.html",
        status_code=409 if refused else 404 if post_id and told is None else 200,
        trail=told,
        lines=lines,
        names=await asyncio.to_thread(names_of, doors.stores.people),
        post_id=post_id,
        platform=platform,
        done=done,
        refused=refused,
    )


def _lines(doors: Doors, told: PostTrail) -> list[ActionLine]:
    keys = {PostKey(one.platform, one.post_id, one.revision) for one in told.actions}
    states = doors.stores.standing.about([*keys])
    appeals = {one.action_id: one for one in told.appeals}
    return [
        ActionLine(
            state=state,
            appeal=appeals.get(state.action.action_id),
            statement=_statement(doors, state.action.action_id),
        )
        for some in states.values()
        for state in some
    ]


def _statement(doors: Doors, action_id: str) -> str:
    try:
        return Stating(stores=doors.stores, policies=doors.parts.policies).statement(action_id).text
    except NotFound:  # of a restore, or where nothing may be said
        return ""
