"""What a journal promises. The memory twin and the embedded one inherit one contract test.

`find` looks for posts that came before, within a window of at least seven days; `record` makes new
ones durable. One thread at a time uses a journal.

They differ in two things: the memory journal keeps every post's text, the embedded one only of posts
that were not plainly allowed; and the memory journal forgets no decision before the process ends.
"""

import abc
import base64
import dataclasses
from collections.abc import Collection, Iterator, Sequence
from typing import Generic, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from sievert.errors import InvalidField
from sievert.schema.batch import DecidedBatch, Effects, PostBatch, ScoredBatch
from sievert.schema.clock import Micros
from sievert.schema.decision import Decision, Outcome
from sievert.schema.post import Post, PostKey
from sievert.stores.activity.base import PostName

NEW = 0
SAME = 1
CONFLICT = 2
REPEAT = 3

MOST_OF_A_TRAIL = 200
"""A post may have any number of revisions; whoever asks about it gets so many decisions unless told."""

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """What a journal knows about n posts.

    status [n]: NEW, SAME (came before with this content), CONFLICT (came before with other content),
    REPEAT (comes twice in this very batch; `first` names the NEW row it repeats).
    """

    status: npt.NDArray[np.int8]
    first: npt.NDArray[np.int64]
    hashes: npt.NDArray[np.uint64]  # what the journal calls the keys; `record` wants those of its rows
    decisions: dict[int, Decision]  # the rows that are SAME


class DecisionFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which decisions are wanted; None means any. Times are of the decision: since <= t < until."""

    outcomes: tuple[str, ...] | None = None
    policy: str | None = None
    without: str | None = None  # a policy that no reason may name
    platform: str | None = None
    language: str | None = None
    since: Micros | None = None
    until: Micros | None = None
    kept: bool = False  # only decisions that are kept whole, and so none of plainly allowed posts

    @property
    def reaches_plain(self) -> bool:
        """Whether any plainly allowed post may be wanted: no reason names a policy there."""
        allowed = self.outcomes is None or Outcome.ALLOW.word in self.outcomes
        return allowed and self.policy is None and not self.kept


@dataclasses.dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some records, newest first, and the cursor of the page behind, or None at the end.

    Only a missing cursor means the end: a page may hold fewer records than were asked for, even none.
    """

    items: list[T]
    cursor: str | None


class Journal(abc.ABC):
    """Keeps decisions."""

    @abc.abstractmethod
    def find(self, posts: PostBatch) -> Found:
        """Say for each post whether it is new, and give the decisions of those that are not."""

    @abc.abstractmethod
    def record(
        self,
        posts: PostBatch,
        scored: ScoredBatch,
        decided: DecidedBatch,
        effects: Effects,
        *,
        hashes: npt.NDArray[np.uint64],
        decided_at: Micros,
    ) -> None:
        """Make NEW posts durable, with everything their decisions set in motion.

        `hashes` [n] are those that `find` gave for these posts. Of a post that is isolated the decision
        alone is kept.

        Raises:
            StoreUnavailable: nothing of the batch may be acknowledged; the next batch may work.
        """

    @abc.abstractmethod
    def add(self, decisions: Sequence[Decision], effects: Effects) -> None:
        """Make further decisions about posts that came before durable, with what they set in motion.

        Those that `holds` knows already must be left out, with their effects.

        Raises:
            StoreUnavailable: nothing of it is durable.
        """

    @abc.abstractmethod
    def holds(self, decision_ids: Sequence[str]) -> set[str]:
        """Return which of these decisions were made durable by `add`."""

    @abc.abstractmethod
    def trail(
        self, platform: str, post_id: str, revision: int | None = None, *, most: int = MOST_OF_A_TRAIL
    ) -> list[Decision]:
        """Return the newest `most` decisions about a post (or one revision of it), oldest first."""

    @abc.abstractmethod
    def trails(self, posts: Sequence[PostName]) -> list[list[Decision]]:
        """Return the trail of each of these posts, as `trail` does, in their order."""

    @abc.abstractmethod
    def kept(self, keys: Sequence[PostKey]) -> dict[PostKey, Post]:
        """Return those of these posts whose text was kept."""

    @abc.abstractmethod
    def post(self, platform: str, post_id: str, revision: int | None = None) -> Post | None:
        """Return a post whose text was kept: the newest revision if none is named."""

    @abc.abstractmethod
    def decisions(self, wanted: DecisionFilter, *, cursor: str | None, limit: int) -> Page[Decision]:
        """Return decisions, newest first.

        Raises:
            InvalidField: the cursor is not one that this method gave.
        """

    @abc.abstractmethod
    def looked_anew_by(self) -> str:
        """Return the bundle by which posts of the past were decided anew last; empty for none."""

    @abc.abstractmethod
    def note_looked_anew(self, bundle: str) -> None:
        """Note that posts of the past were decided anew by a bundle.

        Raises:
            StoreUnavailable: it is not durable.
        """

    @abc.abstractmethod
    def forget_allowed(self, before: Micros) -> None:
        """Forget plainly allowed posts that were received before a time; some may stay a while longer."""

    @abc.abstractmethod
    def forget_texts(self, before: Micros) -> None:
        """Forget kept posts that were received before a time; their decisions and digests stay."""

    @abc.abstractmethod
    def posts_of(self, platform: str, creator_id: str) -> set[str]:
        """Return the plainly allowed posts of a creator that are kept."""

    @abc.abstractmethod
    def erase(self, platform: str, posts: Collection[str]) -> Iterator[int]:
        """Forget these posts, their texts and all that was decided about them, some at a time; yield how many decisions are gone.

        Raises:
            StoreUnavailable: some may still be there.
        """

    @abc.abstractmethod
    def forget_post(self, platform: str, post_id: str) -> None:
        """Forget what a post said, under every revision; its decisions and digests stay."""


def repeats(
    keys: Sequence[PostKey], digests: Sequence[bytes], status: npt.NDArray[np.int8]
) -> npt.NDArray[np.int64]:
    """Mark what comes twice among the NEW rows of one batch, in `status`; return the first of each."""
    first = np.arange(len(keys), dtype=np.int64)
    if len(set(keys)) == len(keys):
        return first
    seen: dict[PostKey, int] = {}
    for row, key in enumerate(keys):
        if status[row] != NEW:
            continue
        earlier = seen.setdefault(key, row)
        if earlier != row:
            status[row] = REPEAT if digests[row] == digests[earlier] else CONFLICT
            first[row] = earlier
    return first


def write_cursor(position: dict[str, int]) -> str:
    """Write a position as an opaque text."""
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")


def read_cursor(cursor: str, *names: str) -> dict[str, int]:
    """Read a position back.

    Raises:
        InvalidField: it is not a cursor of ours.
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        position = msgspec.json.decode(
            base64.b64decode(padded, altchars=b"-_", validate=True), type=dict[str, int]
        )
    except (ValueError, msgspec.DecodeError) as error:
        raise _bad_cursor() from error
    if set(position) != set(names) or not all(-1 <= value < 2**63 for value in position.values()):
        raise _bad_cursor()
    return position


def _bad_cursor() -> InvalidField:
    return InvalidField(
        "The cursor is not one that this list gave.",
        field="cursor",
        remedy="Start without a cursor, and pass on the one that came with the last page.",
    )
