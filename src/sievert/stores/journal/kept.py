"""Decisions and posts that are kept whole, as rows; found by their ids, also beside a running server.

Of a plainly allowed post the text is kept only where it is told once more, because a person shall judge it.

Not covered: plainly allowed posts. They lie in segments without their text, and nothing about them can be
done over.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from sievert.schema.clock import Micros
from sievert.schema.decision import Decision
from sievert.schema.post import Post, PostKey
from sievert.stores.activity.base import PostName
from sievert.stores.database import Database
from sievert.stores.journal.base import DecisionFilter
from sievert.stores.journal.decision_log import DecisionLog
from sievert.stores.journal.rows import post_of
from sievert.stores.journal.seen import SeenPosts
from sievert.stores.statements import fact_of, insert, put_fact
from sievert.stores.tables import decisions, posts

_LOOKED_ANEW = "looked_anew_by"

AT_ONCE = 300
"""Posts a query; SQLite takes three parameters for each."""


class KeptDecisions:
    """Reads what was decided about posts that were not plainly allowed; `seen` reads what people saw, and `log` what was decided, of all posts."""

    def __init__(self, database: Database, segments: Path | None) -> None:
        """Speak of one database, and of the folder with its segments; None where several servers share it."""
        self._database = database
        self.seen = SeenPosts(database, segments)
        self.log = DecisionLog(database, segments)

    def decision(self, decision_id: str) -> Decision | None:
        """Return a decision, or None."""
        query = sa.select(decisions.c.record).where(decisions.c.decision_id == decision_id)
        with self._database.reading() as connection:
            record = connection.execute(query).scalar()
        return None if record is None else msgspec.json.decode(record, type=Decision)

    def post(self, decision: Decision) -> Post | None:
        """Return the post that was decided about, if its text is still kept."""
        return kept_post(self._database, decision.platform, decision.post_id, decision.revision)


def kept_post(database: Database, platform: str, post_id: str, revision: int | None) -> Post | None:
    """Return a post whose text is kept: the newest revision if none is named."""
    query = sa.select(posts.c.record).where(posts.c.platform == platform, posts.c.post_id == post_id)
    if revision is not None:
        query = query.where(posts.c.revision == revision)
    with database.reading() as connection:
        record = connection.execute(query.order_by(posts.c.revision.desc()).limit(1)).scalar()
    return post_of(record) if record else None


def kept_posts(database: Database, keys: Sequence[PostKey]) -> dict[PostKey, Post]:
    """Return those of these posts whose text is kept."""
    found = {}
    columns = (posts.c.platform, posts.c.post_id, posts.c.revision)
    with database.reading() as connection:
        for start in range(0, len(keys), AT_ONCE):
            query = sa.select(*columns, posts.c.record).where(
                sa.tuple_(*columns).in_(keys[start : start + AT_ONCE])
            )
            found.update({PostKey(*key): post_of(record) for *key, record in connection.execute(query)})
    return found


def kept_trails(
    connection: Connection, names: Sequence[PostName], *, most: int
) -> dict[PostName, list[Decision]]:
    """Return the newest kept decisions about each of these posts, oldest first."""
    table, found = decisions, dict[PostName, list[Decision]]()
    whose = (table.c.platform, table.c.post_id)
    for start in range(0, len(names), AT_ONCE):
        # The numbers come out of the index alone; only those that are wanted are read.
        place = sa.func.row_number().over(partition_by=whose, order_by=table.c.sequence.desc())
        numbered = (
            sa.select(table.c.sequence, place.label("place"))
            .where(sa.tuple_(*whose).in_(names[start : start + AT_ONCE]))
            .subquery()
        )
        query = (
            sa.select(*whose, table.c.record)
            .join(numbered, numbered.c.sequence == table.c.sequence)
            .where(numbered.c.place <= most)
            .order_by(table.c.sequence)
        )
        for platform, post_id, record in connection.execute(query):
            found.setdefault(PostName(platform, post_id), []).append(kept_decision(record))
    return found


def newest(trail: Iterable[Decision], most: int) -> list[Decision]:
    """Return the newest of these decisions about one post, oldest first."""
    return sorted(trail, key=lambda decision: (decision.decided_at, decision.revision))[-most:]


def read_looked_anew(database: Database) -> str:
    """Return the bundle by which posts of the past were decided anew last; empty for none."""
    with database.reading() as connection:
        return fact_of(connection, _LOOKED_ANEW) or ""


def write_looked_anew(database: Database, bundle: str) -> None:
    """Note that posts of the past were decided anew by a bundle."""
    with database.writing() as connection:
        put_fact(connection, _LOOKED_ANEW, bundle)


def kept_decision(record: bytes) -> Decision:
    """Read a kept decision."""
    return msgspec.json.decode(record, type=Decision)


def wanted_of_kept(wanted: DecisionFilter) -> Iterator[sa.ColumnElement[bool]]:
    """Say which rows of `decisions` are wanted."""
    table = decisions
    if wanted.outcomes is not None:
        yield table.c.outcome.in_(wanted.outcomes)
    if wanted.policy is not None:
        yield table.c.policies_named.contains(f",{wanted.policy},", autoescape=True)
    if wanted.without is not None:
        yield sa.not_(table.c.policies_named.contains(f",{wanted.without},", autoescape=True))
    if wanted.platform is not None:
        yield table.c.platform == wanted.platform
    if wanted.language is not None:
        yield table.c.language == wanted.language
    if wanted.since is not None:
        yield table.c.decided_at >= wanted.since
    if wanted.until is not None:
        yield table.c.decided_at < wanted.until


def kept_decision_row(decision: Decision, *, sequence: int) -> dict[str, object]:
    """Return a row of `decisions`."""
    named = dict.fromkeys(reason.policy for reason in decision.reasons)
    return {
        "sequence": sequence,
        "decision_id": decision.decision_id,
        "platform": decision.platform,
        "post_id": decision.post_id,
        "revision": decision.revision,
        "trigger": decision.trigger,
        "outcome": decision.outcome,
        "language": decision.language,
        "policies_named": f",{','.join(named)},",
        "received_at": decision.received_at,
        "decided_at": decision.decided_at,
        "digest": bytes.fromhex(decision.content_digest),
        "record": msgspec.json.encode(decision),
    }


def kept_post_row(post: Post, received_at: Micros) -> dict[str, object]:
    """Return a row of `posts`."""
    return {
        "platform": post.platform,
        "post_id": post.id,
        "revision": post.revision,
        "received_at": received_at,
        "record": msgspec.json.encode(post),
    }


def erase_kept(database: Database, platform: str, some: Collection[str]) -> int:
    """Delete what was decided about posts, and what they said; return how many decisions those were."""
    gone, every = 0, [*some]
    with database.writing() as connection:
        for start in range(0, len(every), AT_ONCE):
            texts, told = (
                sa.delete(table).where(
                    table.c.platform == platform, table.c.post_id.in_(every[start : start + AT_ONCE])
                )
                for table in (posts, decisions)
            )
            connection.execute(texts)
            gone += connection.execute(told).rowcount
    return gone


def keep_texts(connection: Connection, some: Sequence[Post], *, received_at: Micros) -> None:
    """Keep posts that are not kept yet, inside a transaction; they are forgotten as if they had come now."""
    if some:
        rows = [kept_post_row(post, received_at) for post in some]
        connection.execute(insert(connection, posts).on_conflict_do_nothing(), rows)
