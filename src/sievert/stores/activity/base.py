"""What a store of activity promises. The memory twin and the embedded one inherit one contract test.

A commit is all or nothing. Integers are added and facts merged, so the order of commits does not matter
to what is read afterwards; which event came before is settled by `known`. One thread at a time writes.
"""

import abc
import dataclasses
import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sievert.schema.clock import Micros


class PostName(NamedTuple):
    """A post, whatever its revision."""

    platform: str
    id: str


class Subject(NamedTuple):
    """Whoever or whatever is counted, and as what (a number that the caller gives a meaning)."""

    role: int
    platform: str
    id: str


class Cell(NamedTuple):
    """Three integers of a subject: one counter in one epoch."""

    subject: Subject
    counter: int
    epoch: int


Amounts = tuple[int, int, int]
"""What a cell holds, or what is added to it: the plain count, and the same under two sets of weights."""

POST_ROLE = 0
"""The role of subjects that are posts: these are forgotten with their posts."""

FOLDED = -1
"""The epoch in which the counts of long past epochs are added together."""


class Author(NamedTuple):
    """Who published a post, and when that was, and was received."""

    creator_id: str | None
    created_at: Micros
    received_at: Micros


class Fact(NamedTuple):
    """Something said of a subject at a time; a name has one value, that of the latest time."""

    subject: Subject
    name: int
    at: Micros
    value: int


class KnownFact(NamedTuple):
    """What is known under a name: when it was first and last said, and what was said last."""

    first_at: Micros
    last_at: Micros
    value: int


class LoggedEvent(NamedTuple):
    """An event as it is kept: its record is the JSON that came. With a post it is found by that post again."""

    kind: str
    received_at: Micros
    record: bytes
    post: PostName | None = None


@dataclasses.dataclass(slots=True, kw_only=True)
class Change:
    """What one commit makes durable."""

    authors: dict[PostName, Author] = dataclasses.field(default_factory=dict)
    keys: list[bytes] = dataclasses.field(default_factory=list)
    log: list[LoggedEvent] = dataclasses.field(default_factory=list)
    reporters: list[tuple[PostName, str]] = dataclasses.field(default_factory=list)
    increments: dict[Cell, Amounts] = dataclasses.field(default_factory=dict)
    facts: list[Fact] = dataclasses.field(default_factory=list)
    orphans: set[PostName] = dataclasses.field(default_factory=set)  # have events and no author yet
    adopted: set[PostName] = dataclasses.field(default_factory=set)  # were orphans, and have one now
    tick: Micros = 0  # when it was received: the latest tick is kept


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Cells of subjects that were asked for: row i is one of `subject[i]`."""

    subject: npt.NDArray[np.int64]  # [m] place among the subjects asked for
    counter: npt.NDArray[np.int16]  # [m]
    epoch: npt.NDArray[np.int64]  # [m]
    amounts: npt.NDArray[np.int64]  # [m, 3]

    @classmethod
    def of(cls, rows: Iterable[tuple[int, ...]]) -> "Reading":
        """Lay rows (subject, counter, epoch, three amounts) out as columns."""
        table = np.array([*rows], np.int64).reshape(-1, 6)
        return cls(
            subject=table[:, 0],
            counter=table[:, 1].astype(np.int16),
            epoch=table[:, 2],
            amounts=table[:, 3:],
        )


class Activity(abc.ABC):
    """Keeps what happened."""

    @abc.abstractmethod
    def commit(self, change: Change) -> None:
        """Make a change durable.

        An author or a key that is there already stays as it is.

        Raises:
            Overtaken: another process counted some of it, or noted its posts, meanwhile; nothing of it is.
            StoreUnavailable: nothing of it is.
        """

    @abc.abstractmethod
    def commit_if_new(self, change: Change) -> bool:
        """Make a change durable if none of its authors is there already; tell whether it was done.

        Raises:
            StoreUnavailable: nothing of it is.
        """

    @abc.abstractmethod
    def authors(self, posts: Sequence[PostName]) -> dict[PostName, Author]:
        """Return the authors of those posts that came."""

    @abc.abstractmethod
    def known(self, keys: Sequence[bytes]) -> set[bytes]:
        """Return which of these keys were committed."""

    @abc.abstractmethod
    def reporters(self, posts: Sequence[PostName]) -> dict[PostName, list[str]]:
        """Return who reported each of these posts."""

    @abc.abstractmethod
    def counts(self, subjects: Sequence[Subject]) -> Reading:
        """Return every cell of these subjects."""

    @abc.abstractmethod
    def facts(self, subjects: Sequence[Subject]) -> list[dict[int, KnownFact]]:
        """Return the facts of each subject by name."""

    @abc.abstractmethod
    def orphans(self, posts: Sequence[PostName]) -> set[PostName]:
        """Return those posts that events came for before the posts themselves."""

    @abc.abstractmethod
    def any_orphans(self) -> bool:
        """Tell whether there is any such post."""

    @abc.abstractmethod
    def last_tick(self) -> Micros:
        """Return the latest tick of any commit, 0 before the first."""

    @abc.abstractmethod
    def log(self, *, after: int = 0, limit: int = 10_000) -> list[tuple[int, LoggedEvent]]:
        """Return logged events in the order in which they came, each with its number, from a number on."""

    @abc.abstractmethod
    def about(self, post: PostName, kind: str, *, limit: int) -> list[LoggedEvent]:
        """Return the newest logged events of a kind that were logged with this post, newest first."""

    @abc.abstractmethod
    def forget_events(self, before: Micros) -> None:
        """Forget logged events that were received before a time; what they counted for stays."""

    @abc.abstractmethod
    def forget_posts(self, before: Micros) -> None:
        """Forget authors, counts and reporters of posts, and of orphans, that came before a time.

        It may take long: all posts are looked at.
        What happened to posts still counts for their creators.
        """

    @abc.abstractmethod
    def forget_keys(self, before: Micros) -> None:
        """Forget keys that were committed before a time (it may take long: all keys are looked at)."""

    @abc.abstractmethod
    def fold(self, before: int) -> None:
        """Add the plain counts of epochs before one together; what they weigh is forgotten."""


def event_key(*parts: str) -> bytes:
    """Return 16 bytes that only these parts lead to."""
    return hashlib.blake2b("\x00".join(parts).encode(), digest_size=16).digest()
