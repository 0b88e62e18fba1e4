"""Random histories for property tests: few posts and accounts, so that everything meets everything."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from sievert.features.behaviour.counting import Said
from sievert.features.behaviour.history import BehaviourHistory, Published
from sievert.pipeline.activity import ActivityCounters, NewPost
from sievert.schema.clock import DAY, HOUR, Micros, moment_of
from sievert.schema.event import (
    KIND_WORDS,
    REACTION_WORDS,
    REASON_WORDS,
    BaseEvent,
    Block,
    Comment,
    Delete,
    Edit,
    Hide,
    Login,
    Profile,
    Reaction,
    Report,
    Share,
    Verdict,
    Views,
)
from sievert.schema.history import FOLLOWED, MADE, NOBODY, EventColumns, country_code
from sievert.stores.activity.base import Activity, PostName
from sievert.testing import START

POSTS = [f"post-{number}" for number in range(5)]
ACCOUNTS = [f"account-{number}" for number in range(4)]
PLATFORM = "default"

_post = st.sampled_from(POSTS)
_account = st.sampled_from(ACCOUNTS)
_actor = st.none() | _account


def said(texts: Sequence[str]) -> np.ndarray:
    """Tell what the comments of these histories say: their text is the number."""
    return np.array([int(text) for text in texts], np.int16)


@st.composite
def events(draw: st.DrawFn, *, upto: Micros) -> BaseEvent:
    """Draw an event that happened at any time until a little after `upto`."""
    base: dict[str, Any] = {
        "id": f"e{draw(st.integers(0, 60))}",  # few, so that some come twice
        "at": draw(st.integers(upto - 40 * DAY, upto + HOUR // 60)),
    }
    kind = draw(st.sampled_from(KIND_WORDS))
    if kind == "views":
        return Views(**base, post_id=draw(_post), count=draw(st.integers(1, 5000)))
    if kind == "reaction":
        return Reaction(**base, post_id=draw(_post), reaction=draw(st.sampled_from(REACTION_WORDS)))
    if kind == "share":
        return Share(**base, post_id=draw(_post))
    if kind == "comment":
        return Comment(**base, post_id=draw(_post), text=str(draw(st.integers(0, 2))))
    if kind == "report":
        reason = draw(st.sampled_from(REASON_WORDS))
        return Report(**base, post_id=draw(_post), reason=reason, actor_id=draw(_actor))
    if kind == "hide":
        return Hide(**base, post_id=draw(_post), actor_id=draw(_actor))
    if kind == "block":
        post = draw(st.none() | _post)
        return Block(**base, creator_id=draw(_account), post_id=post, actor_id=draw(_actor))
    if kind in ("login", "profile"):
        return draw(told_of_accounts(kind, base))
    if kind in ("edit", "delete"):
        post = draw(_post)
        return Edit(**base, post_id=post, revision=1) if kind == "edit" else Delete(**base, post_id=post)
    return Verdict(**base, post_id=draw(_post), harmful=draw(st.booleans()))


@st.composite
def told_of_accounts(draw: st.DrawFn, kind: str, base: dict[str, Any]) -> BaseEvent:
    """Draw a login or a profile."""
    if kind == "login":
        return Login(**base, creator_id=draw(_account), country=draw(st.sampled_from(["FR", "NG", "BR"])))
    made, followers = draw(st.none() | st.integers(0, START)), draw(st.none() | st.integers(0, 10**6))
    return Profile(**base, creator_id=draw(_account), account_created_at=made, followers=followers)


Batch = tuple[Micros, list[NewPost], list[BaseEvent]]
"""When something came, which posts, and then which events."""


@st.composite
def histories(draw: st.DrawFn, *, batches: int = 6) -> list[Batch]:
    """Draw batches: posts come at any of them, before or after what happens to them."""
    now, drawn = START, []
    waiting = list(POSTS)
    for _ in range(draw(st.integers(1, batches))):
        now += draw(st.sampled_from([1, HOUR, 30 * HOUR, 20 * DAY]))
        new = draw(st.lists(st.sampled_from(waiting), unique=True)) if waiting else []
        waiting = [post for post in waiting if post not in new]
        posts = [
            NewPost(PostName(PLATFORM, post), draw(_actor), now - draw(st.integers(-HOUR, 3 * DAY)))
            for post in new
        ]
        drawn.append((now, posts, draw(st.lists(events(upto=now), max_size=12))))
    return drawn


Received = list[tuple[BaseEvent, Micros]]


def play(store: Activity, batches: Sequence[Batch]) -> tuple[ActivityCounters, dict[str, Micros], Received]:
    """Let live counters take a history; return them, when each post came, and each event."""
    live = ActivityCounters(store, said=said)
    came: dict[str, Micros] = {}
    received: Received = []
    for now, posts, happened in batches:
        if posts:
            live.register(posts, now)
            came.update(dict.fromkeys((post.name.id for post in posts), store.last_tick()))
        taken = live.take(happened, now)
        live.commit(taken)
        received += [(event, taken.tick) for event in happened]
    return live, came, received


def history_of(
    batches: Sequence[Batch], came: dict[str, Micros], received: Received, *, until: Micros | None = None
) -> BehaviourHistory:
    """Index the same history, leaving out what was received after `until`."""
    made = {post.name.id: post for _, posts, _ in batches for post in posts}
    never = START + 10_000 * DAY
    ids: set[str] = set()
    rows: list[tuple[int, ...]] = []
    for event, tick in received:
        if event.id in ids or (until is not None and tick > until):
            continue
        ids.add(event.id)
        rows += [(*row[:1], min(moment_of(event.at), tick), tick, *row[1:]) for row in _rows(event)]
    table = np.array(rows, np.int64).reshape(-1, 8)
    return BehaviourHistory(
        Published(
            creator=np.array(
                [_account_number(made[post].creator_id) if post in made else NOBODY for post in POSTS]
            ),
            created_at=np.array([made[post].created_at if post in made else 0 for post in POSTS]),
            received_at=np.array([came.get(post, never) for post in POSTS]),
        ),
        EventColumns(
            kind=table[:, 0].astype(np.int8),
            at=table[:, 1],
            received_at=table[:, 2],
            post=table[:, 3],
            creator=table[:, 4],
            actor=table[:, 5],
            amount=table[:, 6],
            code=table[:, 7].astype(np.int16),
        ),
        accounts=len(ACCOUNTS),
    )


def _account_number(account: str | None) -> int:
    return NOBODY if account is None else ACCOUNTS.index(account)


def _rows(event: BaseEvent) -> list[tuple[int, ...]]:
    """Return (kind, post, creator, actor, amount, code) of each column row that an event makes."""
    kind = KIND_WORDS.index(str(event.__struct_config__.tag))
    post = getattr(event, "post_id", None)
    who = (
        NOBODY if post is None else POSTS.index(post),
        _account_number(getattr(event, "creator_id", None)),
        _account_number(getattr(event, "actor_id", None)),
    )
    match event:
        case Views():
            return [(kind, *who, event.count, 0)]
        case Reaction():
            return [(kind, *who, 1, REACTION_WORDS.index(event.reaction))]
        case Report():
            return [(kind, *who, 1, REASON_WORDS.index(event.reason))]
        case Comment():
            return [(kind, *who, 1, int(Said(int(event.text))))]
        case Login():
            return [(kind, *who, 1, country_code(event.country))]
        case Profile():
            sides = ((MADE, event.account_created_at), (FOLLOWED, event.followers))
            return [(kind, *who, int(value), side) for side, value in sides if value is not None]
        case Verdict():
            return [(kind, *who, int(event.harmful), 0)]
        case _:
            return [(kind, *who, 1, 0)]
