"""Posts that triggers called for are decided anew, within the budget of a second, those of most harmful views first.

What a batch of events calls for is decided before its events are durable, as far as the budget goes; the rest
waits (`anew.py`), and is decided when later seconds leave room.
"""

import dataclasses
from collections.abc import Sequence

from sievert.features.behaviour.counting import Count
from sievert.features.behaviour.rows import behaviour_rows
from sievert.pipeline.activity import Taken
from sievert.pipeline.again import Again, batch_again, can_be_read, decide_again, worth_deciding
from sievert.pipeline.anew import Call
from sievert.pipeline.by_arm import again_by_arm
from sievert.pipeline.path import Parts
from sievert.pipeline.rescoring import rescored
from sievert.schema.clock import Micros
from sievert.schema.decision import Decision
from sievert.stores.activity.base import Change

MOST_AT_ONCE = 500
"""Posts that are decided anew together: more would keep new posts waiting."""


def decide_called(taken: Taken, parts: Parts, now: Micros) -> list[Call]:
    """Decide about posts that a batch of events calls for, and that waited; return the calls that have to wait.

    Raises:
        StoreUnavailable: nothing of what was decided is durable; what waited waits on.
    """
    rows, causes = parts.triggers.causes_of(taken.before, taken.after)
    if not len(rows) and not len(parts.anew):
        return []
    fresh = worth_deciding([taken.posts[row] for row in rows.tolist()], causes, parts)
    views = dict(zip(taken.posts, taken.after[:, Count.VIEWS].tolist(), strict=True))
    known = {one.name: one for one in fresh}
    calls = [Call(one.name, one.cause, harmful_views(one.trail[-1], views[one.name])) for one in fresh]
    chosen, late = parts.anew.pick(calls, MOST_AT_ONCE)
    waited = [call for call in chosen if call.name not in known]
    try:
        again = [
            *(known[call.name] for call in chosen if call.name in known),
            *worth_deciding([call.name for call in waited], [call.cause for call in waited], parts),
        ]
        _decide(again, parts, now=now, as_of=taken.tick, change=taken.change)
    except BaseException:
        parts.anew.wait(waited)
        raise
    return late


def passed_meanwhile(taken: Taken, parts: Parts) -> list[Call]:
    """Return what the posts of a batch that is durable call for because other processes counted at the same time.

    Each process adds to the totals that it read: two that each miss a level may pass it together.
    """
    totals = parts.counters.totals_meanwhile(taken)
    if totals is None or parts.bundle.update is None:
        return []
    rows, causes = parts.triggers.causes_of(taken.after, totals)
    views = dict(zip(taken.posts, totals[:, Count.VIEWS].tolist(), strict=True))
    again = worth_deciding([taken.posts[row] for row in rows.tolist()], causes, parts) if len(rows) else []
    return [Call(one.name, one.cause, harmful_views(one.trail[-1], views[one.name])) for one in again]


def decide_waiting(parts: Parts, *, most: int = MOST_AT_ONCE) -> int:
    """Decide about posts that wait, as far as the budget goes; return how many were taken.

    Raises:
        StoreUnavailable: nothing of what was decided is durable; what waited waits on.
    """
    chosen, _ = parts.anew.pick([], most)
    try:
        again = worth_deciding([call.name for call in chosen], [call.cause for call in chosen], parts)
        _decide(again, parts, now=parts.clock.now(), as_of=parts.counters.latest)
    except BaseException:
        parts.anew.wait(chosen)
        raise
    return len(chosen)


def harmful_views(newest: Decision, views: int) -> float:
    """Return the harmful views that a post is expected to have had, by what was thought of it last."""
    return newest.probability * (1 + views)


def _decide(
    again: Sequence[Again], parts: Parts, *, now: Micros, as_of: Micros, change: Change | None = None
) -> None:
    """Decide about posts by what people did with them as of a tick, and make that durable."""
    for some, own in again_by_arm(again, parts):
        sure = [one for one in some if can_be_read(one, own.bundle)]
        unsure = [one for one in some if not can_be_read(one, own.bundle)]
        _decide_some(sure, own, now=now, as_of=as_of, change=change)
        # What another bundle thought of a text that is gone may bring a post before people, and proves nothing.
        unproven = dataclasses.replace(own, guard=None, certificates=())
        _decide_some(unsure, unproven, now=now, as_of=as_of, change=change)


def _decide_some(
    again: Sequence[Again], parts: Parts, *, now: Micros, as_of: Micros, change: Change | None
) -> None:
    update = parts.bundle.update
    if not again or update is None:
        return
    posts = batch_again(again, parts)
    known = parts.counters.known([one.name for one in again], as_of, change)
    behaviour = behaviour_rows(known, update.spec.behaviour)
    scored = rescored(again, posts, known=known, behaviour=behaviour, update=update, parts=parts)
    decide_again(again, posts, scored, parts, now=now, behaviour=behaviour, known=known)
