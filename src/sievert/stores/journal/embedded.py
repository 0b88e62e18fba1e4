"""The embedded journal: plainly allowed posts in Arrow segments, all others in SQLite.

A post lives in exactly one of the two. A batch is recorded in this order: segment appended and
flushed, one SQLite transaction committed, then the caller may acknowledge. Dying in between leaves
only unacknowledged, plainly allowed posts; sent again, they get the same answer (ADR 0002).
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from sievert.schema.batch import DecidedBatch, Effects, PostBatch, ScoredBatch
from sievert.schema.clock import HOUR, Clock, Micros
from sievert.schema.decision import Decision
from sievert.schema.post import Post, PostKey
from sievert.stores import tables
from sievert.stores.activity.base import PostName
from sievert.stores.database import Database
from sievert.stores.journal.allowed import allowed_batch, allowed_decision, allowed_mask
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
from sievert.stores.journal.kept import (
    AT_ONCE,
    erase_kept,
    kept_decision,
    kept_decision_row,
    kept_post,
    kept_post_row,
    kept_posts,
    kept_trails,
    newest,
    read_looked_anew,
    wanted_of_kept,
    write_looked_anew,
)
from sievert.stores.journal.rows import decision_of
from sievert.stores.segments.keys import HashSet, hash_keys
from sievert.stores.segments.log import Place, SegmentLog, key_at
from sievert.stores.segments.segment import facts_of

ROWS_A_PAGE = 1_000_000
"""Plainly allowed posts that are looked at for one page of decisions, about a quarter of a second."""


ROWS_A_BATCH = 500
"""A small batch costs as much to open as so many rows cost to look at."""

CLOCK_SLACK: Micros = HOUR
"""A clock that is set back by more than this may hide what a filter by time should find."""


class _Listed(NamedTuple):
    """A decision in a list: its number over both places, and where to go on behind it."""

    sequence: int
    position: dict[str, int]
    decision: Decision


class _Reached(NamedTuple):
    """How far a walk came that was cut short: everything from this number on was looked at."""

    sequence: int
    position: dict[str, int]


class EmbeddedJournal(Journal):
    """Keeps decisions in one folder."""

    def __init__(
        self,
        database: Database,
        log: SegmentLog,
        *,
        clock: Clock,
        apply: Callable[[Connection, Effects], None],
    ) -> None:
        """`apply` writes a batch's effects inside the batch's transaction."""
        self._database = database
        self._log = log
        self._clock = clock
        self._apply = apply
        self._seed = database.seed()
        table = tables.decisions
        with database.reading() as connection:
            kept = connection.execute(sa.select(table.c.platform, table.c.post_id, table.c.revision)).all()
            last = connection.execute(sa.select(sa.func.max(table.c.sequence))).scalar() or 0
        if (newest := log.newest()) is not None:
            last = max(last, _sequence(newest, newest.num_rows - 1))
        # One count over both places: what came later has the larger number, whatever the clock says.
        self._next = last + 1
        # Hashes of the posts in SQLite, about one in a hundred: most look-ups end here.
        self._kept = HashSet()
        self._kept.add(hash_keys([PostKey(*row) for row in kept], seed=self._seed))

    def find(self, posts: PostBatch) -> Found:
        """Look in the segments' indexes and among the kept posts; a hit is read and compared."""
        keys, digests = posts.keys, posts.digests
        hashes = hash_keys(keys, seed=self._seed)
        status = np.zeros(len(keys), np.int8)
        decisions: dict[int, Decision] = {}
        for row, places in self._log.maybe(hashes, now=self._clock.now()):
            for place in places:
                batch, at, facts = self._log.row(place)
                if key_at(batch, at) == keys[row]:
                    known = allowed_decision(batch, at, facts)
                    status[row], decisions[row] = _compare(known, digests[row]), known
                    break
        maybe = [row for row in np.flatnonzero(self._kept.holds(hashes)).tolist() if row not in decisions]
        for key, known in self._kept_decisions([keys[row] for row in maybe]).items():
            for row in maybe:
                if keys[row] == key:
                    status[row], decisions[row] = _compare(known, digests[row]), known
        first = repeats(keys, digests, status)
        same = {row: known for row, known in decisions.items() if status[row] == SAME}
        return Found(status=status, first=first, hashes=hashes, decisions=same)

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
        """Append the plainly allowed rows, then commit the others."""
        plain = decided.plainly_allowed()
        allowed, others = np.flatnonzero(plain), np.flatnonzero(~plain)
        first = self._next
        self._next += len(posts)
        if len(allowed):
            facts = facts_of(scored.bundle, decided.policy_set, scored.heads, decided.arms)
            batch = allowed_batch(
                posts, scored, allowed, facts, first=first, decided_at=decided_at, arm=decided.arm
            )
            edited = {
                place: posts.keys[row]
                for place, row in enumerate(allowed.tolist())
                if posts.posts[row].revision > 0
            }
            self._log.append(batch, facts, hashes[allowed], edited, posts.received_at)
        # What is plainly allowed has no consequences, but counts for what its accounts are like.
        if len(others) or effects.pasts:
            kept = [
                kept_decision_row(decision_of(posts, scored, decided, row, decided_at), sequence=first + row)
                for row in others.tolist()
            ]
            with self._database.writing() as connection:
                if kept:
                    connection.execute(sa.insert(tables.decisions), kept)
                texts = [
                    kept_post_row(posts.posts[row], posts.received_at)
                    for row in others.tolist()
                    if row not in decided.isolated_for
                ]
                if texts:
                    connection.execute(sa.insert(tables.posts), texts)
                self._apply(connection, effects)
            self._kept.add(hashes[others])

    def add(self, decisions: Sequence[Decision], effects: Effects) -> None:
        """Insert them in one transaction."""
        table = tables.decisions
        if not decisions:
            return
        first = self._next
        self._next += len(decisions)
        rows = [kept_decision_row(decision, sequence=first + row) for row, decision in enumerate(decisions)]
        with self._database.writing() as connection:
            connection.execute(sa.insert(table), rows)
            self._apply(connection, effects)

    def holds(self, decision_ids: Sequence[str]) -> set[str]:
        """Query by id."""
        column = tables.decisions.c.decision_id
        found: set[str] = set()
        with self._database.reading() as connection:
            for start in range(0, len(decision_ids), AT_ONCE):
                some = decision_ids[start : start + AT_ONCE]
                found.update(connection.execute(sa.select(column).where(column.in_(some))).scalars())
        return found

    def trail(
        self, platform: str, post_id: str, revision: int | None = None, *, most: int = MOST_OF_A_TRAIL
    ) -> list[Decision]:
        """Read the newest of both places."""
        table = tables.decisions
        # The numbers come out of the index alone; only those that are wanted are read.
        numbers = sa.select(table.c.sequence).where(table.c.platform == platform, table.c.post_id == post_id)
        if revision is not None:
            numbers = numbers.where(table.c.revision == revision)
        numbers = numbers.order_by(table.c.sequence.desc()).limit(most)
        query = sa.select(table.c.record).where(table.c.sequence.in_(numbers))
        with self._database.reading() as connection:
            kept = [kept_decision(record) for record in connection.execute(query).scalars()]
        return newest([*self._plain(platform, post_id, revision, most=most), *kept], most)

    def trails(self, posts: Sequence[PostName]) -> list[list[Decision]]:
        """Read the newest of both places."""
        with self._database.reading() as connection:
            kept = kept_trails(connection, posts, most=MOST_OF_A_TRAIL)
        return [
            newest([*self._plain(*post, most=MOST_OF_A_TRAIL), *kept.get(post, ())], MOST_OF_A_TRAIL)
            for post in posts
        ]

    def _plain(
        self, platform: str, post_id: str, revision: int | None = None, *, most: int
    ) -> list[Decision]:
        """Return the newest decisions about a post that plainly allowed it."""
        found: list[Decision] = []
        for place in reversed(self._log.revisions(platform, post_id, revision)):
            if len(found) == most:
                break
            batch, at, facts = self._log.row(place)
            key = key_at(batch, at)
            if key[:2] == (platform, post_id) and revision in (None, key.revision):
                found.append(allowed_decision(batch, at, facts))
        return found

    def kept(self, keys: Sequence[PostKey]) -> dict[PostKey, Post]:
        """Read them from SQLite."""
        return kept_posts(self._database, keys)

    def post(self, platform: str, post_id: str, revision: int | None = None) -> Post | None:
        """Read the newest matching revision from SQLite."""
        return kept_post(self._database, platform, post_id, revision)

    def decisions(self, wanted: DecisionFilter, *, cursor: str | None, limit: int) -> Page[Decision]:
        """Merge the newest of both places; the cursor keeps a position in each."""
        at = (
            read_cursor(cursor, "segment", "row", "sequence")
            if cursor
            else {"segment": 2**40, "row": 0, "sequence": 2**62}
        )
        kept = self._kept_page(wanted, at["sequence"], limit)
        allowed, reached = self._allowed_page(wanted, (at["segment"], at["row"]), limit)
        # What is older than the place that the walk reached waits for the next page: newest first.
        ready = [one for one in kept if reached is None or one.sequence > reached.sequence]
        merged = sorted([*ready, *allowed], key=lambda one: -one.sequence)[:limit]
        for one in merged:
            at.update(one.position)
        if reached is not None and len(merged) < limit:
            at.update(reached.position)
        more = len(kept) + len(allowed) > len(merged) or len(merged) == limit or reached is not None
        return Page(items=[one.decision for one in merged], cursor=write_cursor(at) if more else None)

    def looked_anew_by(self) -> str:
        """Read it."""
        return read_looked_anew(self._database)

    def note_looked_anew(self, bundle: str) -> None:
        """Write it."""
        write_looked_anew(self._database, bundle)

    def forget_allowed(self, before: Micros) -> None:
        """Delete the sealed segments that hold nothing younger."""
        self._log.expire(before)

    def forget_texts(self, before: Micros) -> None:
        """Delete the posts; what was decided about them, and the digest of their text, stands elsewhere."""
        with self._database.writing() as connection:
            connection.execute(sa.delete(tables.posts).where(tables.posts.c.received_at < before))

    def posts_of(self, platform: str, creator_id: str) -> set[str]:
        """Read all segments."""
        return self._log.posts_of(platform, creator_id)

    def erase(self, platform: str, posts: Collection[str]) -> Iterator[int]:
        """Delete rows, then write segments anew."""
        yield erase_kept(self._database, platform, posts)
        yield from self._log.erase(platform, posts)

    def forget_post(self, platform: str, post_id: str) -> None:
        """Delete every revision that was kept."""
        table = tables.posts
        with self._database.writing() as connection:
            connection.execute(
                sa.delete(table).where(table.c.platform == platform, table.c.post_id == post_id)
            )

    def _kept_page(self, wanted: DecisionFilter, before: int, limit: int) -> "list[_Listed]":
        table = tables.decisions
        query = sa.select(table.c.record, table.c.sequence).where(
            table.c.sequence < before, *wanted_of_kept(wanted)
        )
        with self._database.reading() as connection:
            found = connection.execute(query.order_by(table.c.sequence.desc()).limit(limit)).all()
        return [
            _Listed(sequence, {"sequence": sequence}, kept_decision(record)) for record, sequence in found
        ]

    def _allowed_page(
        self, wanted: DecisionFilter, before: Place, limit: int
    ) -> "tuple[list[_Listed], _Reached | None]":
        """Walk the segments backwards; a plainly allowed post names no policy.

        The walk ends after so many rows, found or not, and then says how far it came: a question that
        nothing answers must not keep posts waiting.
        """
        found: list[_Listed] = []
        if not wanted.reaches_plain:
            return found, None
        examined = 0
        for number, start, batch, facts in self._log.backwards(before):
            if wanted.since is not None and _decided_at(batch) < wanted.since - CLOCK_SLACK:
                break
            for at in np.flatnonzero(allowed_mask(batch, wanted))[::-1].tolist():
                if (number, start + at) < before:
                    position = {"segment": number, "row": start + at}
                    found.append(_Listed(_sequence(batch, at), position, allowed_decision(batch, at, facts)))
                    if len(found) == limit:
                        return found, None
            examined += max(batch.num_rows, ROWS_A_BATCH)
            if examined >= ROWS_A_PAGE:
                return found, _Reached(_sequence(batch, 0), {"segment": number, "row": start})
        return found, None

    def _kept_decisions(self, keys: Sequence[PostKey]) -> dict[PostKey, Decision]:
        """Return the first decision of each key that SQLite holds."""
        table = tables.decisions
        found: dict[PostKey, Decision] = {}
        for start in range(0, len(keys), AT_ONCE):
            some = keys[start : start + AT_ONCE]
            query = sa.select(table.c.record).where(
                sa.tuple_(table.c.platform, table.c.post_id, table.c.revision).in_(some)
            )
            with self._database.reading() as connection:
                for record in connection.execute(query.order_by(table.c.sequence)).scalars():
                    decision = kept_decision(record)
                    found.setdefault(
                        PostKey(decision.platform, decision.post_id, decision.revision), decision
                    )
        return found


def _compare(known: Decision, digest: bytes) -> int:
    return SAME if known.content_digest == digest.hex() else CONFLICT


def _decided_at(batch: pa.RecordBatch) -> Micros:
    moment: Micros = batch.column("decided_at")[0].as_py()
    return moment


def _sequence(batch: pa.RecordBatch, row: int) -> int:
    number: int = batch.column("sequence")[row].as_py()
    return number
