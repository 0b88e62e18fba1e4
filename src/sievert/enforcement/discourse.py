"""What Discourse is asked to do for each message about an action or an account: one call of its moderation API.

Calls are those that its own staff's pages make: a removal is its soft deletion, which its staff can undo
too; what limits an account is a silence, until the last of its limits ends. Each may be made twice without harm.

Not covered: Discourse shows a post to all or to nobody, so that demotions are not offered to it. Staff see what
is deleted, isolated posts as well: who must not see those may not be staff. Paths are of the releases around
3.5; confirm them when you connect a newer one.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from sievert.enforcement.messages import ACCOUNT_FREED, ACCOUNT_LIMITED, ACTION_PERFORMED
from sievert.schema.action import Action, ActionKind, OutboxMessage
from sievert.schema.clock import to_text
from sievert.schema.limit import AccountLimit

PLATFORM = "discourse"
"""The name of the platform in posts that Discourse sent."""


class Call(NamedTuple):
    """One request to the API."""

    method: str
    path: str
    form: dict[str, str]


class _Told(msgspec.Struct):
    data: msgspec.Raw


_HIDING = (ActionKind.REMOVE, ActionKind.ISOLATE)


def call_for(
    message: OutboxMessage, undone: ActionKind | None, holding: Sequence[AccountLimit] = ()
) -> Call | None:
    """Return the call that a message asks for; None where Discourse can do nothing about it.

    `undone` is the kind of action that a restore takes back; `holding` are the limits that hold, by now, for the
    account that the message is about: Discourse knows one silence, and one account may have several limits.
    """
    told = msgspec.json.decode(message.body, type=_Told).data
    match message.kind:
        case kind if kind == ACTION_PERFORMED:
            return _call_for_action(msgspec.json.decode(told, type=Action), undone)
        case kind if kind in (ACCOUNT_LIMITED, ACCOUNT_FREED):
            return _call_for_limit(msgspec.json.decode(told, type=AccountLimit), holding)
        case _:
            return None


def action_of(message: OutboxMessage) -> Action | None:
    """Return the action that a message is about, if it is about one."""
    if message.kind != ACTION_PERFORMED:
        return None
    return msgspec.json.decode(msgspec.json.decode(message.body, type=_Told).data, type=Action)


def limit_of(message: OutboxMessage) -> AccountLimit | None:
    """Return the limit that a message is about, if it is about one."""
    if message.kind not in (ACCOUNT_LIMITED, ACCOUNT_FREED):
        return None
    return msgspec.json.decode(msgspec.json.decode(message.body, type=_Told).data, type=AccountLimit)


def _call_for_action(action: Action, undone: ActionKind | None) -> Call | None:
    # Ids of other platforms may hold anything; those of Discourse are numbers.
    if action.platform != PLATFORM or not _is_number(action.post_id):
        return None
    if action.kind in _HIDING:
        return Call("DELETE", f"/posts/{action.post_id}.json", {"context": f"sievert {action.action_id}"})
    if action.kind == ActionKind.RESTORE and undone in _HIDING:
        return Call("PUT", f"/posts/{action.post_id}/recover.json", {})
    return None


def _call_for_limit(limit: AccountLimit, holding: Sequence[AccountLimit]) -> Call | None:
    if limit.platform != PLATFORM or not _is_number(limit.creator_id):
        return None
    if not holding:
        return Call("PUT", f"/admin/users/{limit.creator_id}/unsilence.json", {})
    last = max(holding, key=lambda one: one.expires_at)
    form = {"silenced_till": to_text(last.expires_at), "reason": f"sievert {last.limit_id}"}
    return Call("PUT", f"/admin/users/{limit.creator_id}/silence.json", form)


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdigit()
