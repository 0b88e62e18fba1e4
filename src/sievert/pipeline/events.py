"""The path of events: what happened is counted, and posts are decided anew where that may change something.

A batch of records comes in as bytes and leaves as one answer a record, as in `path.py`. Decisions are
recorded before the counters move: if the process dies in between, the events were not acknowledged, come
again, call for the same decisions by the same names, and find them made.

Not covered: what an edit changed. Its event counts; the new text comes as a post of a higher revision.
"""

from collections.abc import Container, Mapping, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from sievert.errors import InputError, InvalidField, TooLarge
from sievert.features.behaviour.counting import Count
from sievert.features.behaviour.rows import behaviour_rows
from sievert.pipeline.activity import Taken
from sievert.pipeline.again import Again, batch_again, decide_again, worth_deciding
from sievert.pipeline.by_arm import again_by_arm
from sievert.pipeline.decode import MAX_RECORD_BYTES, check_id, explain, split_lines
from sievert.pipeline.path import Parts
from sievert.pipeline.rescoring import rescored
from sievert.schema.clock import Micros, moment_of
from sievert.schema.event import CLOCK_AHEAD, EVENT_TYPES, BaseEvent, Comment, Event, Report
from sievert.stores.activity.base import LoggedEvent, PostName

MOST_AT_ONCE = 500
"""Posts that one batch of events may have decided anew: those of most harmful views. The rest waits for their next level."""

_DECODER = msgspec.json.Decoder(Event)


class EventAnswer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What became of one event."""

    id: Annotated[str, Meta(description="the event's id")]
    counted: Annotated[
        bool, Meta(description="false if it came before, or repeats what its actor did to the same post")
    ]


def run_events(
    records: bytes | Sequence[bytes], parts: Parts, *, refused: Container[str] = ()
) -> list[EventAnswer | InputError]:
    """Take a batch of events the whole way; return an answer or an error for each record, in order.

    Events of a kind in `refused` are errors: whoever sends them may not. When this returns, everything
    that was answered is durable. One thread at a time may call it, the
    one that calls `path.run` over the same journal.

    Raises:
        StoreUnavailable: nothing could be recorded; nothing of the batch is acknowledged.
    """
    lines = split_lines(records) if isinstance(records, bytes) else records
    now, counters = parts.clock.now(), parts.counters

    # 1 decode: bytes to events; a bad record gets its own error
    read = [_decode(line, now, refused) for line in lines]
    rows = [row for row, one in enumerate(read) if isinstance(one, BaseEvent)]
    events = [one for one in read if isinstance(one, BaseEvent)]
    parts.observer.lap("event decode")

    # 2 count: which are new, what they move
    taken = counters.take(events, now)
    for row, counts in zip(rows, taken.counted.tolist(), strict=True):
        if counts:
            event = read[row]
            kind = str(event.__struct_config__.tag)  # type: ignore[union-attr]
            about = PostName(event.platform, event.post_id) if isinstance(event, Comment | Report) else None
            taken.change.log.append(LoggedEvent(kind, taken.tick, bytes(lines[row]), about))
    parts.observer.lap("event count")

    # 3 decide anew where a trigger fired, then 4 make the counters durable
    if parts.bundle.update is not None:
        _decide_anew(taken, parts, now)
    if parts.creators is not None:
        parts.creators.hear(taken)
    counters.commit(taken)
    parts.observer.lap("event record")

    answers: list[EventAnswer | InputError] = [one for one in read if isinstance(one, InputError)]
    if not answers:
        return _answers(events, taken)
    counted = iter(_answers(events, taken))
    return [one if isinstance(one, InputError) else next(counted) for one in read]


def _answers(events: Sequence[BaseEvent], taken: Taken) -> list[EventAnswer | InputError]:
    return [
        EventAnswer(id=event.id, counted=counts)
        for event, counts in zip(events, taken.counted.tolist(), strict=True)
    ]


def _decode(record: bytes, now: Micros, refused: Container[str]) -> BaseEvent | InputError:
    try:
        if len(record) > MAX_RECORD_BYTES:
            raise TooLarge(
                f"The record has {len(record):,} bytes; at most {MAX_RECORD_BYTES:,} are read.",
                field="text",
                remedy="Send one event a record; in NDJSON end each with a line feed.",
            )
        event: BaseEvent = _DECODER.decode(record)
        for field in ("id", "platform", "post_id", "creator_id", "actor_id"):
            check_id(field, getattr(event, field, None))
        if (kind := str(event.__struct_config__.tag)) in refused:
            raise InvalidField(
                f"The key may not tell {kind} events.",
                field="kind",
                remedy="A verdict needs a key with the scope labels:write.",
            )
        if moment_of(event.at) > now + CLOCK_AHEAD:
            raise InvalidField(
                "The event lies more than five minutes in the future.",
                field="at",
                remedy="Send events after they happened, with a clock that is right.",
            )
    except InputError as error:
        return error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        return explain(record, error, kind=_kind_of(record))
    return event


def _kind_of(record: bytes) -> type[BaseEvent]:
    """Return what a record wants to be, as far as it can be read, for an error that names its fields."""
    try:
        said = msgspec.json.decode(record)
        return EVENT_TYPES[said["kind"]]
    except (msgspec.DecodeError, UnicodeError, RecursionError, KeyError, TypeError):
        return BaseEvent


def _decide_anew(taken: Taken, parts: Parts, now: Micros) -> None:
    """Decide about every post that a trigger fired for, and make that durable."""
    rows, causes = parts.triggers.causes_of(taken.before, taken.after)
    worth = worth_deciding([taken.posts[row] for row in rows.tolist()], causes, parts)
    for again, own in again_by_arm(worth, parts):
        _decide_some(again, taken, own, now)


def _decide_some(worth: Sequence[Again], taken: Taken, parts: Parts, now: Micros) -> None:
    # The score of another bundle does not mean the same, and what was not kept cannot be scored again.
    again = [one for one in worth if one.kept or one.first.bundle == parts.bundle.version]
    update = parts.bundle.update
    if not again or update is None:
        return
    if len(again) > MOST_AT_ONCE:
        views = dict(zip(taken.posts, taken.after[:, Count.VIEWS].tolist(), strict=True))
        again = sorted(again, key=lambda one: -_harmful_views(one, views))[:MOST_AT_ONCE]
    posts = batch_again(again, parts)
    names = [PostName(post.platform, post.id) for post in posts.posts]
    known = parts.counters.known(names, taken.tick, taken.change)
    behaviour = behaviour_rows(known, update.spec.behaviour)
    scored = rescored(again, posts, known=known, behaviour=behaviour, update=update, parts=parts)
    decide_again(again, posts, scored, parts, now=now, behaviour=behaviour, known=known)


def _harmful_views(one: Again, views: Mapping[PostName, int]) -> float:
    """Return the harmful views that a post is expected to have had, by what was thought of it last."""
    return one.trail[-1].probability * (1 + views[PostName(one.first.platform, one.first.post_id)])
