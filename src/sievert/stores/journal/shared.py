"""The journal of many processes, in PostgreSQL: plainly allowed posts as narrow rows, all others as before.

A post lives in exactly one of the two tables. A batch is one transaction, so that dying at any moment leaves
all of it or nothing. Two processes may be given the same post at once: the one that comes second to the
writer's place finds the post there, records nothing, and is told so (`Overtaken`).
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from sievert.errors import Overtaken
from sievert.schema.batch import DecidedBatch, Effects, PostBatch, ScoredBatch
from sievert.schema.clock import Micros
from sievert.schema.decision import Decision, Language
from sievert.schema.post import Post, PostKey
from sievert.stores import tables
from sievert.stores.activity.base import PostName
from sievert.stores.database import Database
from sievert.stores.journal.allowed import plain_decision
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
from sievert.stores.journal.copying import copy_rows
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
from sievert.stores.journal.rows import created_micros, decision_of
from sievert.stores.journal.shared_tables import allowed, allowed_facts
from sievert.stores.segments.segment import SegmentFacts, facts_of

ROWS_A_PAGE = 1_000_000
"""Numbers that are looked at for one page of decisions, so that no question keeps the server busy for long."""

_FORGOTTEN_AT_ONCE = 20_000
_ROWS = [one.name for one in allowed.columns]
_NUMBER = "pg_get_serial_sequence('decisions', 'sequence')"
# Row by row of what is asked for, by the index of the table: the server need not plan for how many there are.
_OF_KEYS = (
    "SELECT known.* FROM unnest(%s::text[], %s::text[], %s::int[]) AS asked (platform, post_id, revision)"
    " CROSS JOIN LATERAL (SELECT {columns} FROM {table} AS found WHERE found.platform = asked.platform"
    " AND found.{id} = asked.post_id AND found.revision = asked.revision{more}) AS known"
)
_ALLOWED_OF_KEYS = _OF_KEYS.format(columns=", ".join(_ROWS), table="allowed", id="id", more="")
_KEPT_OF_KEYS = _OF_KEYS.format(
    columns="record, digest", table="decisions", id="post_id", more=" ORDER BY sequence LIMIT 1"
)
_LAST = "SELECT GREATEST((SELECT max(sequence) FROM allowed), (SELECT max(sequence) FROM decisions))"


class SharedJournal(Journal):
    """Keeps decisions in PostgreSQL; any number of processes may have one each."""

    def __init__(self, database: Database, *, apply: Callable[[Connection, Effects], None]) -> None:
        """`apply` writes a batch's effects inside the batch's transaction."""
        self._database = database
        self._apply = apply
        self._facts: dict[int, SegmentFacts] = {}

    def find(self, posts: PostBatch) -> Found:
        """Ask for every key in both tables, in one state; what is called hashes says what that state was."""
        keys, digests = posts.keys, posts.digests
        with self._database.reading() as connection:
            last = _last(connection)
            known = {
                PostKey(one.platform, one.post_id, one.revision): one
                for one in self._first_decisions(connection, keys)
            }
        status = np.zeros(len(keys), np.int8)
        decisions: dict[int, Decision] = {}
        for row, key in enumerate(keys) if known else ():
            if (found := known.get(key)) is None:
                continue
            status[row] = SAME if found.content_digest == digests[row].hex() else CONFLICT
            if status[row] == SAME:
                decisions[row] = found
        first = repeats(keys, digests, status)
        hashes = np.full(len(keys), last, np.uint64)
        return Found(status=status, first=first, hashes=hashes, decisions=decisions)

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
        """Look whether anything came between, then copy everything in."""
        plain = decided.plainly_allowed()
        plain_rows, others = np.flatnonzero(plain), np.flatnonzero(~plain).tolist()
        arms = decided.arms[decided.arm : decided.arm + 1]  # facts of each arm have a number of their own
        facts = facts_of(scored.bundle, decided.policy_set, scored.heads, arms)
        with self._database.writing() as connection:
            if _last(connection) != int(hashes[0]) and self._first_decisions(connection, posts.keys):
                raise overtaken()
            first = _numbers(connection, len(posts))
            if len(plain_rows):
                number = _number_of(connection, facts)
                rows = _allowed_rows(posts, scored, plain_rows, number, first=first, decided_at=decided_at)
                copy_rows(connection, allowed, _ROWS, rows)
            kept = [
                kept_decision_row(decision_of(posts, scored, decided, row, decided_at), sequence=first + row)
                for row in others
            ]
            texts = [
                kept_post_row(posts.posts[row], posts.received_at)
                for row in others
                if row not in decided.isolated_for
            ]
            _copy(connection, tables.decisions, kept)
            _copy(connection, tables.posts, texts)
            self._apply(connection, effects)

    def add(self, decisions: Sequence[Decision], effects: Effects) -> None:
        """Look whether anybody made one of them meanwhile, then insert all."""
        if not decisions:
            return
        column = tables.decisions.c.decision_id
        made = sa.select(column).where(column.in_([one.decision_id for one in decisions])).limit(1)
        with self._database.writing() as connection:
            if connection.execute(made).first() is not None:
                raise overtaken()
            first = _numbers(connection, len(decisions))
            rows = [kept_decision_row(one, sequence=first + row) for row, one in enumerate(decisions)]
            _copy(connection, tables.decisions, rows)
            self._apply(connection, effects)

    def holds(self, decision_ids: Sequence[str]) -> set[str]:
        """Query by id."""
        column = tables.decisions.c.decision_id
        with self._database.reading() as connection:
            return {*connection.execute(sa.select(column).where(column.in_(decision_ids))).scalars()}

    def trail(
        self, platform: str, post_id: str, revision: int | None = None, *, most: int = MOST_OF_A_TRAIL
    ) -> list[Decision]:
        """Read the newest of both tables."""
        plain = sa.select(allowed).where(allowed.c.platform == platform, allowed.c.id == post_id)
        table = tables.decisions
        kept = sa.select(table.c.record).where(table.c.platform == platform, table.c.post_id == post_id)
        if revision is not None:
            plain, kept = (
                plain.where(allowed.c.revision == revision),
                kept.where(table.c.revision == revision),
            )
        with self._database.reading() as connection:
            rows = connection.execute(plain.order_by(allowed.c.sequence.desc()).limit(most)).mappings().all()
            trail = [self._plain(connection, row) for row in rows]
            records = connection.execute(kept.order_by(table.c.sequence.desc()).limit(most)).scalars()
            trail += [kept_decision(record) for record in records]
        return newest(trail, most)

    def trails(self, posts: Sequence[PostName]) -> list[list[Decision]]:
        """Read the newest of both tables."""
        plain: dict[PostName, list[Decision]] = {}
        with self._database.reading() as connection:
            kept = kept_trails(connection, posts, most=MOST_OF_A_TRAIL)
            for start in range(0, len(posts), AT_ONCE):
                query = sa.select(allowed).where(
                    sa.tuple_(allowed.c.platform, allowed.c.id).in_(posts[start : start + AT_ONCE])
                )
                for row in connection.execute(query).mappings().all():
                    name = PostName(row["platform"], row["id"])
                    plain.setdefault(name, []).append(self._plain(connection, row))
        return [newest([*plain.get(post, ()), *kept.get(post, ())], MOST_OF_A_TRAIL) for post in posts]

    def kept(self, keys: Sequence[PostKey]) -> dict[PostKey, Post]:
        """Read them."""
        return kept_posts(self._database, keys)

    def post(self, platform: str, post_id: str, revision: int | None = None) -> Post | None:
        """Read the newest matching revision."""
        return kept_post(self._database, platform, post_id, revision)

    def decisions(self, wanted: DecisionFilter, *, cursor: str | None, limit: int) -> Page[Decision]:
        """Merge the newest of both tables below a number; the cursor is that number."""
        with self._database.reading() as connection:
            before = read_cursor(cursor, "sequence")["sequence"] if cursor else _last(connection) + 1
            low = 0
            plain: list[tuple[int, Decision]] = []
            if wanted.reaches_plain:
                low = max(0, before - ROWS_A_PAGE)
                query = sa.select(allowed).where(
                    allowed.c.sequence >= low, allowed.c.sequence < before, *_wanted_of_plain(wanted)
                )
                query = query.order_by(allowed.c.sequence.desc()).limit(limit)
                rows = connection.execute(query).mappings().all()
                plain = [(row["sequence"], self._plain(connection, row)) for row in rows]
            table = tables.decisions
            kept = sa.select(table.c.sequence, table.c.record).where(
                table.c.sequence >= low, table.c.sequence < before, *wanted_of_kept(wanted)
            )
            found = connection.execute(kept.order_by(table.c.sequence.desc()).limit(limit)).all()
        others = [(number, kept_decision(record)) for number, record in found]
        merged = sorted([*plain, *others], key=lambda one: -one[0])[:limit]
        last = merged[-1][0] if len(merged) == limit else low
        more = write_cursor({"sequence": last}) if last > 0 else None
        return Page(items=[decision for _, decision in merged], cursor=more)

    def looked_anew_by(self) -> str:
        """Read it."""
        return read_looked_anew(self._database)

    def note_looked_anew(self, bundle: str) -> None:
        """Write it."""
        write_looked_anew(self._database, bundle)

    def forget_allowed(self, before: Micros) -> None:
        """Delete them some at a time, so that writers have their turn in between."""
        some = (
            "DELETE FROM allowed WHERE ctid = ANY (ARRAY("
            "SELECT ctid FROM allowed WHERE received_at < %s LIMIT %s))"
        )
        left = _FORGOTTEN_AT_ONCE
        while left == _FORGOTTEN_AT_ONCE:
            with self._database.writing() as connection:
                left = connection.exec_driver_sql(some, (before, _FORGOTTEN_AT_ONCE)).rowcount

    def forget_texts(self, before: Micros) -> None:
        """Delete the posts; what was decided about them, and the digest of their text, stands elsewhere."""
        with self._database.writing() as connection:
            connection.execute(sa.delete(tables.posts).where(tables.posts.c.received_at < before))

    def posts_of(self, platform: str, creator_id: str) -> set[str]:
        """Query by creator; no index helps."""
        query = sa.select(allowed.c.id).where(
            allowed.c.platform == platform, allowed.c.creator_id == creator_id
        )
        with self._database.reading() as connection:
            return {*connection.execute(query).scalars()}

    def erase(self, platform: str, posts: Collection[str]) -> Iterator[int]:
        """Delete rows of all three tables."""
        yield erase_kept(self._database, platform, posts)
        with self._database.writing() as connection:
            theirs = "DELETE FROM allowed WHERE platform = %s AND id = ANY (%s)"
            yield connection.exec_driver_sql(theirs, (platform, [*posts])).rowcount

    def forget_post(self, platform: str, post_id: str) -> None:
        """Delete every revision that was kept."""
        table = tables.posts
        with self._database.writing() as connection:
            connection.execute(
                sa.delete(table).where(table.c.platform == platform, table.c.post_id == post_id)
            )

    def _first_decisions(self, connection: Connection, keys: Sequence[PostKey]) -> list[Decision]:
        """Return the first decision about each key that is known."""
        asked = ([one.platform for one in keys], [one.id for one in keys], [one.revision for one in keys])
        plain = connection.exec_driver_sql(_ALLOWED_OF_KEYS, asked).mappings().all()
        kept = connection.exec_driver_sql(_KEPT_OF_KEYS, asked).all()
        # A post that is plainly allowed may have later decisions among the others: its first one answers.
        return [*(kept_decision(row[0]) for row in kept), *(self._plain(connection, row) for row in plain)]

    def _plain(self, connection: Connection, row: Any) -> Decision:
        facts = self._facts.get(row["facts"])
        if facts is None:
            query = sa.select(allowed_facts.c.record).where(allowed_facts.c.number == row["facts"])
            facts = msgspec.json.decode(connection.execute(query).scalar_one(), type=SegmentFacts)
            self._facts[row["facts"]] = facts
        return plain_decision(row, np.frombuffer(row["scores"], "<f4"), facts)


def overtaken() -> Overtaken:
    """Say that another process recorded some of a batch first."""
    return Overtaken("Another process was faster; nothing was recorded.", remedy="Send the same again.")


def _last(connection: Connection) -> int:
    return int(connection.exec_driver_sql(_LAST).scalar() or 0)


def _numbers(connection: Connection, count: int) -> int:
    """Take so many numbers in a row, in the writer's place; return the first."""
    taken = connection.exec_driver_sql(
        f"SELECT setval({_NUMBER}, nextval({_NUMBER}) + %s - 1)",
        (count,),
    )
    return int(taken.scalar_one()) - count + 1


def _number_of(connection: Connection, facts: SegmentFacts) -> int:
    record = msgspec.json.encode(facts)
    query = sa.select(allowed_facts.c.number).where(allowed_facts.c.record == record)
    number: int | None = connection.execute(query).scalar()
    if number is not None:
        return number
    made = sa.insert(allowed_facts).values(record=record).returning(allowed_facts.c.number)
    return int(connection.execute(made).scalar_one())


def _allowed_rows(
    posts: PostBatch,
    scored: ScoredBatch,
    rows: npt.NDArray[np.intp],
    facts: int,
    *,
    first: int,
    decided_at: Micros,
) -> Iterator[tuple[Any, ...]]:
    """Give these rows of a batch in the order of `_ROWS`; row 0 of the batch has the number `first`."""
    scores = np.concatenate([scored.harm[rows, None], scored.policies[rows]], axis=1).astype("<f4")
    language, stage = scored.language[rows].tolist(), scored.stage[rows].tolist()
    for place, row in enumerate(rows.tolist()):
        post = posts.posts[row]
        yield (
            post.platform,
            post.id,
            post.revision,
            first + row,
            post.creator_id,
            created_micros(post),
            posts.received_at,
            decided_at,
            language[place],
            stage[place],
            facts,
            posts.digests[row],
            scores[place].tobytes(),
        )


def _copy(connection: Connection, table: sa.Table, rows: Sequence[dict[str, object]]) -> None:
    if rows:
        copy_rows(connection, table, [*rows[0]], [[*row.values()] for row in rows])


def _wanted_of_plain(wanted: DecisionFilter) -> Iterator[sa.ColumnElement[bool]]:
    """Say which plainly allowed rows are wanted; policy and outcome were looked at before."""
    if wanted.platform is not None:
        yield allowed.c.platform == wanted.platform
    if wanted.language is not None:
        yield allowed.c.language.in_([int(one) for one in Language if one.word == wanted.language])
    if wanted.since is not None:
        yield allowed.c.decided_at >= wanted.since
    if wanted.until is not None:
        yield allowed.c.decided_at < wanted.until
