"""The memory twin: everything in dictionaries, for tests and trials."""

from collections.abc import Callable, Collection, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from sievert.schema.batch import DecidedBatch, Effects, PostBatch, ScoredBatch
from sievert.schema.clock import Micros
from sievert.schema.decision import Decision, Outcome
from sievert.schema.post import Post, PostKey
from sievert.stores.activity.base import PostName
from sievert.stores.journal.base import (
    CONFLICT,
    MOST_OF_A_TRAIL,
    SAME,
    DecisionFilter,
    Found,
    Journal,
    Page,
    read_cursor,
    repeats,
    write_cursor,
)
from sievert.stores.journal.rows import decision_of


class MemoryJournal(Journal):
    """Keeps decisions, and posts with their texts, until the process ends."""

    def __init__(self, *, apply: Callable[[Effects], None]) -> None:
        """`apply` hands a batch's effects to the other memory stores."""
        self._apply = apply
        self._decisions: list[Decision] = []
        self._by_key: dict[PostKey, int] = {}
        self._posts: dict[PostKey, Post] = {}
        self._looked_anew_by = ""

    def find(self, posts: PostBatch) -> Found:
        """Look each key up."""
        keys, digests = posts.keys, posts.digests
        status = np.zeros(len(keys), np.int8)
        decisions: dict[int, Decision] = {}
        for row, (key, digest) in enumerate(zip(keys, digests, strict=True)):
            at = self._by_key.get(key)
            if at is None:
                continue
            known = self._decisions[at]
            status[row] = SAME if known.content_digest == digest.hex() else CONFLICT
            if status[row] == SAME:
                decisions[row] = known
        first = repeats(keys, digests, status)
        return Found(status=status, first=first, hashes=np.zeros(len(keys), np.uint64), decisions=decisions)

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
        """Append to the list."""
        del hashes
        self._apply(effects)
        for row, (key, post) in enumerate(zip(posts.keys, posts.posts, strict=True)):
            self._by_key[key] = len(self._decisions)
            if row not in decided.isolated_for:
                self._posts[key] = post
            self._decisions.append(decision_of(posts, scored, decided, row, decided_at))

    def add(self, decisions: Sequence[Decision], effects: Effects) -> None:
        """Append to the list."""
        self._apply(effects)
        self._decisions += decisions

    def holds(self, decision_ids: Sequence[str]) -> set[str]:
        """Walk the list."""
        return {one.decision_id for one in self._decisions}.intersection(decision_ids)

    def trail(
        self, platform: str, post_id: str, revision: int | None = None, *, most: int = MOST_OF_A_TRAIL
    ) -> list[Decision]:
        """Walk the list."""
        return [
            decision
            for decision in self._decisions
            if (decision.platform, decision.post_id) == (platform, post_id)
            and revision in (None, decision.revision)
        ][-most:]

    def trails(self, posts: Sequence[PostName]) -> list[list[Decision]]:
        """Walk the list for each."""
        return [self.trail(*post) for post in posts]

    def kept(self, keys: Sequence[PostKey]) -> dict[PostKey, Post]:
        """Look them up."""
        return {key: self._posts[key] for key in keys if key in self._posts}

    def post(self, platform: str, post_id: str, revision: int | None = None) -> Post | None:
        """Look the newest matching revision up."""
        matching = [
            key for key in self._posts if key[:2] == (platform, post_id) and revision in (None, key.revision)
        ]
        return self._posts[max(matching)] if matching else None

    def decisions(self, wanted: DecisionFilter, *, cursor: str | None, limit: int) -> Page[Decision]:
        """Walk the list backwards."""
        at = read_cursor(cursor, "at")["at"] if cursor else len(self._decisions)
        items: list[Decision] = []
        while at > 0 and len(items) < limit:
            at -= 1
            if matches(self._decisions[at], wanted):
                items.append(self._decisions[at])
        return Page(items=items, cursor=write_cursor({"at": at}) if at > 0 else None)

    def looked_anew_by(self) -> str:
        """Remember it."""
        return self._looked_anew_by

    def note_looked_anew(self, bundle: str) -> None:
        """Remember it."""
        self._looked_anew_by = bundle

    def forget_allowed(self, before: Micros) -> None:
        """Forget nothing."""

    def forget_texts(self, before: Micros) -> None:
        """Walk the dictionary."""
        self._posts = {
            key: post
            for key, post in self._posts.items()
            if self._decisions[self._by_key[key]].received_at >= before
        }

    def posts_of(self, platform: str, creator_id: str) -> set[str]:
        """Walk the list."""
        return {
            one.post_id for one in self._decisions if (one.platform, one.creator_id) == (platform, creator_id)
        }

    def erase(self, platform: str, posts: Collection[str]) -> Iterator[int]:
        """Walk the list, and number what stays anew."""
        before = len(self._decisions)
        self._decisions = [
            one for one in self._decisions if one.platform != platform or one.post_id not in posts
        ]
        self._posts = {
            key: post for key, post in self._posts.items() if key.platform != platform or key.id not in posts
        }
        self._by_key = {}
        for at, one in enumerate(self._decisions):
            self._by_key.setdefault(PostKey(one.platform, one.post_id, one.revision), at)
        yield before - len(self._decisions)

    def forget_post(self, platform: str, post_id: str) -> None:
        """Drop every revision."""
        self._posts = {key: post for key, post in self._posts.items() if key[:2] != (platform, post_id)}


def matches(decision: Decision, wanted: DecisionFilter) -> bool:
    """Tell whether a decision is wanted."""
    return (
        (wanted.outcomes is None or decision.outcome in wanted.outcomes)
        and (wanted.policy is None or any(reason.policy == wanted.policy for reason in decision.reasons))
        and not any(reason.policy == wanted.without for reason in decision.reasons)
        and (wanted.platform is None or decision.platform == wanted.platform)
        and (wanted.language is None or decision.language == wanted.language)
        and (wanted.since is None or decision.decided_at >= wanted.since)
        and (wanted.until is None or decision.decided_at < wanted.until)
        and not (wanted.kept and decision.outcome == Outcome.ALLOW.word and not decision.reasons)
    )
