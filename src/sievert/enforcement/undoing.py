"""Taking back what was done: each action can be, once, and what took it back can be taken back as well.

An action that was taken back, by whomever or because it expired, does not stand and cannot be taken back
again. Taking a restore back does again what it took back, as a new action by whoever asks; where that had
expired, or was done meanwhile for another reason, there is nothing to do again. A removal is a tombstone: the platform hides the post, and our own copy
of its text stays until its retention ends, whatever is done or taken back.

Not covered: whether the platform still has the post. A restore is offered to it like any other action.
"""

from collections.abc import Iterable

import msgspec

from sievert.enforcement.performing import stands_already
from sievert.errors import NotStanding
from sievert.schema.action import OURSELVES, Action, ActionKind, ActionState
from sievert.schema.clock import Micros
from sievert.schema.identity import derived_id

EXPIRED = OURSELVES
"""Who takes back what expired."""


def taken_back(state: ActionState, *, by: str, now: Micros) -> Action:
    """Return the restore that takes an action back.

    Raises:
        NotStanding: it was taken back before.
    """
    action = state.action
    if state.undone_by is not None:
        raise NotStanding(
            f"The action {action.action_id} was taken back before, by {state.undone_by}.",
            remedy=f"Take {state.undone_by} back to do it again.",
            field="action_id",
        )
    return Action(
        action_id=derived_id("a", action.action_id, ActionKind.RESTORE),
        decision_id=action.decision_id,
        platform=action.platform,
        post_id=action.post_id,
        revision=action.revision,
        kind=ActionKind.RESTORE,
        policy=action.policy,
        performed_at=now,
        by=by,
        undoes=(action.action_id,),
        creator_id=action.creator_id,
    )


def done_again(
    restore: ActionState, undone: Iterable[Action], past: Iterable[ActionState], *, by: str, now: Micros
) -> list[Action]:
    """Return the actions that do again what a restore took back; the first of them takes the restore back.

    What had an end gets as long an end again. `past` is what was done about the same post: nothing is done
    twice, nor anything milder than what stands.

    Raises:
        NotStanding: the restore was taken back before, or all that it took back had expired or stands anyhow.
    """
    if restore.undone_by is not None:
        raise NotStanding(
            f"The restore {restore.action.action_id} was taken back before, by {restore.undone_by}.",
            remedy=f"Take {restore.undone_by} back to restore the post again.",
            field="action_id",
        )
    again: list[Action] = []
    known = [*past]
    for action in undone:
        if stands_already(known, action.kind) or any(one.kind == action.kind for one in again):
            continue
        if action.expires_at is not None and action.expires_at <= now:
            continue
        again.append(
            msgspec.structs.replace(
                action,
                action_id=derived_id("a", restore.action.action_id, action.kind),
                performed_at=now,
                by=by,
                undoes=() if again else (restore.action.action_id,),
            )
        )
    if not again:
        raise NotStanding(
            f"What {restore.action.action_id} took back had expired, or stands for another reason: there is nothing to "
            "do again.",
            remedy="Look at the post; decide anew, with a new revision of it or a verdict about it.",
            field="action_id",
        )
    return again
