"""What travels between servers and workers: batches of records, and what became of each."""

from collections.abc import Sequence
from typing import Any

import msgspec

from sievert import errors
from sievert.errors import InputError
from sievert.pipeline.events import EventAnswer
from sievert.schema.decision import Answer

POSTS, EVENTS = "posts", "events"


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Records that were sent together, and where their answers go."""

    kind: str
    records: list[bytes]
    refused: tuple[str, ...]  # kinds of events that the sender may not tell
    inbox: str


class Wrong(msgspec.Struct, frozen=True, kw_only=True):
    """An error about one record."""

    slug: str
    what: str
    remedy: str
    field: str | None


class Replies(msgspec.Struct, frozen=True, kw_only=True):
    """What became of each record of a batch: exactly one of the three."""

    posts: list[Answer | None] = []
    events: list[EventAnswer | None] = []
    wrong: dict[int, Wrong]


_KINDS = {
    one.slug: one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, InputError)
}


def replies_of(kind: str, results: Sequence[Any]) -> Replies:
    """Put answers and errors into what travels."""
    wrong = {
        row: Wrong(slug=one.slug, what=one.what, remedy=one.remedy, field=one.field)
        for row, one in enumerate(results)
        if isinstance(one, InputError)
    }
    answers = [None if isinstance(one, InputError) else one for one in results]
    return Replies(posts=answers, wrong=wrong) if kind == POSTS else Replies(events=answers, wrong=wrong)


def read_replies(said: bytes) -> list[Answer | EventAnswer | InputError]:
    """Return answers and errors in the order of the records."""
    told = msgspec.msgpack.decode(said, type=Replies)
    return [
        _error(told.wrong[row]) if one is None else one for row, one in enumerate(told.posts or told.events)
    ]


def _error(wrong: Wrong) -> InputError:
    kind = _KINDS.get(wrong.slug, InputError)
    return kind(wrong.what, remedy=wrong.remedy, field=wrong.field)
