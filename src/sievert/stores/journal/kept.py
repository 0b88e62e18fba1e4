"""Decisions and posts that are kept whole, as rows; found by their ids, also beside a running server.

Of a plainly allowed post the text is kept only where it is told once more, because a person shall judge it.

Not covered: plainly allowed posts. They lie in segments without their text, and nothing about them can be
done over.
"""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from sievert.schema.clock import Micros
from sievert.schema.decision import Decision
from sievert.schema.post import Post
from sievert.stores.database import Database
from sievert.stores.journal.base import DecisionFilter
from sievert.stores.journal.decision_log import DecisionLog
from sievert.stores.journal.rows import post_of
from sievert.stores.journal.seen import SeenPosts
from sievert.stores.statements import insert
from sievert.stores.tables import decisions, posts

_TOGETHER = 500
"""Posts in one statement."""


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
        for start in range(0, len(every), _TOGETHER):
            together = every[start : start + _TOGETHER]
            for table in (posts, decisions):
                theirs = sa.delete(table).where(table.c.platform == platform, table.c.post_id.in_(together))
                deleted = connection.execute(theirs).rowcount
            gone += deleted
    return gone


def keep_texts(connection: Connection, some: Sequence[Post], *, received_at: Micros) -> None:
    """Keep posts that are not kept yet, inside a transaction; they are forgotten as if they had come now."""
    if some:
        rows = [kept_post_row(post, received_at) for post in some]
        connection.execute(insert(connection, posts).on_conflict_do_nothing(), rows)
