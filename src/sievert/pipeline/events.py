"""The path of events: what happened is counted, and posts are decided anew where that may change something.

A batch of records comes in as bytes and leaves as one answer a record, as in `path.py`. Decisions are
recorded before the counters move: if the process dies in between, the events were not acknowledged, come
again, call for the same decisions by the same names, and find them made.

Not covered: what an edit changed. Its event counts; the new text comes as a post of a higher revision.
"""

import dataclasses
from collections.abc import Container, Sequence
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from sievert.enforcement.effects import actions_for, audit_notes
from sievert.enforcement.messages import messages_for
from sievert.errors import InputError, InvalidField, TooLarge
from sievert.features.behaviour.rows import AsOf, behaviour_rows
from sievert.pipeline.activity import Taken
from sievert.pipeline.decode import MAX_RECORD_BYTES, check_id, explain, split_lines
from sievert.pipeline.path import Parts
from sievert.pipeline.triggers import causes_of
from sievert.policy.rules import DEMOTE, decide
from sievert.review.cases import cases_for
from sievert.schema.batch import DecidedBatch, Effects, PostBatch, ScoredBatch, TextColumn
from sievert.schema.clock import Micros, moment_of
from sievert.schema.decision import Cause, Decision, Language, Outcome, Stage, decision_id
from sievert.schema.event import CLOCK_AHEAD, EVENT_TYPES, BaseEvent, Event
from sievert.schema.post import Post
from sievert.schema.sentinel import SENTINEL_POLICY
from sievert.scoring.cascade import score
from sievert.scoring.update import UpdateModel
from sievert.stores.activity.base import LoggedEvent, PostName
from sievert.stores.journal.rows import decision_of

MOST_AT_ONCE = 500
"""Posts that one batch of events may have decided anew; the rest waits for their next trigger."""

_DECODER = msgspec.json.Decoder(Event)


class EventAnswer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What became of one event."""

    id: Annotated[str, Meta(description="the event's id")]
    counted: Annotated[
        bool, Meta(description="false if it came before, or repeats what its actor did to the same post")
    ]


@dataclasses.dataclass(frozen=True, slots=True)
class _Again:
    """A post that is decided anew: its first decision under the present revision, and all of them."""

    cause: Cause
    first: Decision
    trail: list[Decision]
    post: Post  # without its text where that was not kept


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
            taken.change.log.append(LoggedEvent(kind, taken.tick, bytes(lines[row])))
    parts.observer.lap("event count")

    # 3 decide anew where a trigger fired, then 4 make the counters durable
    if parts.bundle.update is not None:
        _decide_anew(taken, parts.bundle.update, parts, now)
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


def _decide_anew(taken: Taken, update: UpdateModel, parts: Parts, now: Micros) -> None:
    """Decide about every post that a trigger fired for, and make that durable."""
    rows, causes = causes_of(taken.before, taken.after)
    again = _worth_deciding([taken.posts[row] for row in rows.tolist()], causes, parts)
    if not again:
        return
    posts = _batch(again)
    names = [PostName(post.platform, post.id) for post in posts.posts]
    known = parts.counters.known(names, taken.tick, taken.change)
    scored = _scored(again, known, posts, update, parts)
    decided = decide(
        posts,
        scored,
        policies=parts.policies,
        certificates=parts.certificates,
        forecast=None,
        review_room=parts.reviews.room(now),
        now=now,
    )
    decided = _without_what_was_done(decided, again)
    actions = actions_for(posts, decided, now=now)
    cases = cases_for(posts, scored, decided, {}, now=now)
    messages = messages_for(actions, cases) if parts.announce else ()
    effects = Effects(actions=actions, cases=cases, messages=messages, audit=audit_notes(actions))
    at = parts.clock.now()
    parts.journal.add(
        [
            msgspec.structs.replace(
                decision_of(posts, scored, decided, row, at), received_at=one.first.received_at
            )
            for row, one in enumerate(again)
        ],
        effects,
    )
    parts.reviews.spend(cases)
    parts.observer.batch_decided(posts, scored, decided)


def _worth_deciding(names: Sequence[PostName], causes: Sequence[Cause], parts: Parts) -> list[_Again]:
    """Return the posts that can be decided anew, at most `MOST_AT_ONCE`.

    Left out are posts that are removed already, that only a test policy may touch, and those that
    another bundle scored and whose text was not kept: its score does not mean the same.
    """
    again = []
    for name, cause in zip(names, causes, strict=True):
        trail = parts.journal.trail(name.platform, name.id)
        if not trail or trail[-1].outcome == Outcome.REMOVE.word:
            continue
        newest = max(decision.revision for decision in trail)
        trail = [decision for decision in trail if decision.revision == newest]
        first = trail[0]
        kept = parts.journal.post(first.platform, first.post_id, first.revision)
        readable = kept is not None or first.bundle == parts.bundle.version
        if first.stage != Stage.SENTINEL.word and readable:
            again.append(_Again(cause, first, trail, kept or _without_text(first)))
    known = parts.journal.holds([_id(one) for one in again])
    return [one for one in again if _id(one) not in known][:MOST_AT_ONCE]


def _id(one: _Again) -> str:
    return decision_id(one.post.key, one.cause)


def _without_text(first: Decision) -> Post:
    return Post(
        id=first.post_id,
        platform=first.platform,
        revision=first.revision,
        creator_id=first.creator_id,
        created_at=first.created_at,
    )


def _batch(again: Sequence[_Again]) -> PostBatch:
    return PostBatch(
        posts=[one.post for one in again],
        keys=[one.post.key for one in again],
        text=TextColumn.of([one.post.text for one in again]),
        digests=[bytes.fromhex(one.first.content_digest) for one in again],
        received_at=again[0].first.received_at,
        causes=[one.cause for one in again],
    )


def _scored(
    again: Sequence[_Again], known: AsOf, posts: PostBatch, update: UpdateModel, parts: Parts
) -> ScoredBatch:
    """Return the probabilities that text and behaviour lead to together."""
    bundle = parts.bundle
    heads = bundle.policy_heads
    content = np.array(
        [[one.first.probability, *(one.first.policies.get(head, 0.0) for head in heads)] for one in again],
        np.float32,
    )
    stale = np.array([one.first.bundle != bundle.version for one in again], np.bool_)
    if stale.any():
        fresh = score(bundle, posts.text, heavy_share=parts.heavy_share)
        content[stale, 0] = fresh.harm[stale]
        content[stale, 1:] = fresh.policies[stale][:, : len(heads)]
    p = update.probabilities(content, behaviour_rows(known, update.spec.behaviour))
    languages = {language.word: language for language in Language}
    return ScoredBatch(
        bundle=bundle.version,
        heads=(*heads, SENTINEL_POLICY),
        harm=np.ascontiguousarray(p[:, 0]),
        policies=np.concatenate([p[:, 1:], np.zeros((len(again), 1), np.float32)], axis=1),
        language=np.array([languages[one.first.language] for one in again], np.int8),
        stage=np.full(len(again), Stage.UPDATE, np.int8),
    )


def _without_what_was_done(decided: DecidedBatch, again: Sequence[_Again]) -> DecidedBatch:
    """Leave out actions and cases that earlier decisions about the same posts had already."""
    demoted = {row for row, one in enumerate(again) if any(map(_was_demoted, one.trail))}
    asked = {
        row
        for row, one in enumerate(again)
        if any(decision.outcome == Outcome.REVIEW.word for decision in one.trail)
    }
    return dataclasses.replace(
        decided,
        demoted_for={row: policy for row, policy in decided.demoted_for.items() if row not in demoted},
        queued_for={row: policy for row, policy in decided.queued_for.items() if row not in asked},
    )


def _was_demoted(decision: Decision) -> bool:
    if decision.outcome == Outcome.DEMOTE.word:
        return True
    # Who waits for a person is demoted meanwhile if that rule held, and the language could be read.
    return (
        decision.outcome == Outcome.REVIEW.word
        and decision.language == Language.ENGLISH.word
        and any(reason.rule == DEMOTE for reason in decision.reasons)
    )
