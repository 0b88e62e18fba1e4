"""One action: taken back, and explained to the author of the post."""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, QueryParameter
from msgspec import Meta

from sievert.errors import Forbidden, InvalidField
from sievert.pipeline.stating import Stating
from sievert.pipeline.undoing import Undoing
from sievert.schema.action import Action, ActionKind
from sievert.schema.clock import DAY, Micros
from sievert.schema.statement import Statement
from sievert.serving.callers import caller_of
from sievert.serving.doors import Doors
from sievert.serving.routes.posts import AnyRequest, TheDoors

ACTION = "/api/v1/actions/{action_id:str}"

_FORMATS = ("words", "dsa")
_MAX_FORMAT = 16

FormatName = Annotated[str, QueryParameter(max_length=_MAX_FORMAT, description="words or dsa")]


class Undone(msgspec.Struct, frozen=True, kw_only=True):
    """What was done to take an action back."""

    actions: Annotated[
        tuple[Action, ...], Meta(description="the restore; or, of a restore, what is done again")
    ]
    content: Annotated[
        str,
        Meta(
            description="whether the post's text is kept here, to be shown again",
            extra_json_schema={"enum": ["kept", "gone"]},
        ),
    ]
    content_until: Annotated[Micros | None, Meta(description="until when it is kept; null where it is gone")]


@post(
    ACTION + "/undo",
    status_code=200,
    opt={"scope": "actions:undo"},
    summary="Take an action back",
    description="What was demoted is shown as before, what was removed is restored; a webhook says so. Taking "
    "a restore back does again what it took back. An action that does not stand any more is a conflict. "
    "An isolated post is let go of on the server's own machine only.",
)
async def undo(request: AnyRequest, doors: TheDoors, action_id: FromPath[str]) -> Undone:
    """Take an action back."""
    by = caller_of(request).actor
    told = await doors.worker.run(lambda: take_back(doors, action_id, by=by))
    doors.nudge()
    return told


def take_back(doors: Doors, action_id: str, *, by: str) -> Undone:
    """Take an action back, in the worker's thread.

    Raises:
        Forbidden: it isolates a post.
        NotFound: there is no such action.
        NotStanding: it does not stand any more.
    """
    stores = doors.stores
    state = stores.standing.find(action_id)
    if state is not None and state.action.kind == ActionKind.ISOLATE:
        raise Forbidden(
            f"The action {action_id} isolates a post.",
            remedy="Let go of it on the server's own machine: `sievert undo ACTION_ID`.",
            field="action_id",
        )
    undoing = Undoing(stores=stores, announce=doors.parts.announce)
    return undone(doors, undoing.one(action_id, by=by, now=doors.clock.now()))


def undone(doors: Doors, actions: tuple[Action, ...]) -> Undone:
    """Say what was done, and whether there is anything left to show again."""
    ground = doors.stores.grounds.of(actions[0])
    kept = ground.post is not None and ground.decision is not None
    until = None
    if kept and ground.decision is not None:
        until = ground.decision.received_at + doors.settings.keep_text_days * DAY
    return Undone(actions=actions, content="kept" if kept else "gone", content_until=until)


@get(
    ACTION + "/statement",
    opt={"scope": "decisions:read"},
    summary="State the reasons for an action",
    description="In plain words for the author of the post; format=dsa gives the record that the EU's DSA "
    "Transparency Database takes. Nothing is stated about isolated posts.",
)
async def statement(
    doors: TheDoors,
    action_id: FromPath[str],
    format: FormatName = "words",  # noqa: A002  the name that clients write
) -> Response[Statement | dict[str, Any]]:
    """Return the statement."""
    stating = Stating(stores=doors.stores, policies=doors.parts.policies)
    state: Callable[[str], Statement | dict[str, Any]] = stating.dsa if is_dsa(format) else stating.statement
    return Response(content=await doors.worker.run(lambda: state(action_id)))


def is_dsa(name: str) -> bool:
    """Tell whether a format is the DSA database's, not words.

    Raises:
        InvalidField: it is neither.
    """
    if name not in _FORMATS:
        raise InvalidField(
            f"There is no format {name!r}.", field="format", remedy=f"It is one of {', '.join(_FORMATS)}."
        )
    return name == "dsa"
