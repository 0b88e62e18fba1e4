"""Delayed removals are done when their time has come, or when so many saw the post that it must not wait longer.

Never exempted: if a switch is off by then, or a person took back what was done about the post, it goes to people.
Each is done in one transaction with its leaving the queue, so that it is done once, whoever dies in between.
"""

import msgspec

from sievert.enforcement.effects import audit_notes
from sievert.enforcement.messages import messages_for
from sievert.enforcement.performing import held_back_later
from sievert.pipeline.path import Parts
from sievert.schema.action import Action, Case
from sievert.schema.batch import Effects
from sievert.schema.clock import Micros
from sievert.schema.delay import DelayedRemoval
from sievert.schema.identity import keyed_id
from sievert.schema.post import PostKey
from sievert.stores.activity.base import PostName
from sievert.stores.delayed import DelayedRemovals
from sievert.stores.memory import MemoryStores
from sievert.stores.sql import SqlStores

TOGETHER = 200
MOST_WATCHED = 2000
"""Delayed posts whose views are looked at; the others end by time alone."""


def release(stores: SqlStores | MemoryStores, parts: Parts, *, now: Micros) -> int:
    """Do what is due; return how many removals that were. For the thread that walks the path.

    Raises:
        StoreUnavailable: nothing of what was tried last is durable.
    """
    due = stores.delayed.due(now, limit=TOGETHER) or _seen_enough(stores.delayed, parts)[:TOGETHER]
    if not due:
        return 0
    keys = [PostKey(one.action.platform, one.action.post_id, one.action.revision) for one in due]
    checks = parts.checking.later(keys, now)
    actions, cases, seen = [], [], set[PostKey]()
    for row, one in enumerate(due):
        if keys[row] in seen:
            continue  # a post that was decided about again while it waited
        seen.add(keys[row])
        if held_back_later(row, one.action.policy, checks):
            cases.append(_case(one.action, parts.case_key, now))
        elif not any(state.stands and state.action.kind == "remove" for state in checks.past.get(row, ())):
            actions.append(msgspec.structs.replace(one.action, performed_at=now))
    done = tuple(actions)
    messages = messages_for(done, cases) if parts.announce else ()
    stores.perform(
        Effects(
            actions=done,
            cases=tuple(cases),
            messages=messages,
            audit=audit_notes(done),
            released=tuple(one.action.action_id for one in due),
        )
    )
    parts.budgets.spend(cases, done)
    return len(due)


def _seen_enough(delayed: DelayedRemovals, parts: Parts) -> list[DelayedRemoval]:
    watched = delayed.that_views_end(limit=MOST_WATCHED)
    if not watched:
        return []
    views = parts.counters.views([PostName(one.action.platform, one.action.post_id) for one in watched])
    return [
        one
        for one, seen in zip(watched, views.tolist(), strict=True)
        if one.most_views is not None and seen >= one.most_views
    ]


def _case(action: Action, key: bytes, now: Micros) -> Case:
    return Case(
        case_id=keyed_id("c", key, action.action_id),
        decision_id=action.decision_id,
        platform=action.platform,
        post_id=action.post_id,
        revision=action.revision,
        policy=action.policy,
        opened_at=now,
        priority=1.0,
    )
