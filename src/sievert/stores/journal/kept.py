"""Decisions by their ids, and the posts behind them, read beside a running server.

Of a plainly allowed post the text is kept only where it is told once more, because a person shall judge it.

Not covered: plainly allowed posts. They lie in segments without their text, and nothing about them can be
done over.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine import Connection

from sievert.schema.clock import Micros
from sievert.schema.decision import Decision
from sievert.schema.post import Post
from sievert.stores.database import Database
from sievert.stores.journal.rows import post_of
from sievert.stores.journal.seen import SeenPosts
from sievert.stores.tables import decisions, posts


class KeptDecisions:
    """Reads what was decided about posts that were not plainly allowed; `seen` reads what people saw, of all posts."""

    def __init__(self, database: Database, segments: Path) -> None:
        """Speak of one database, and of the folder with its segments."""
        self._database = database
        self.seen = SeenPosts(database, segments)

    def decision(self, decision_id: str) -> Decision | None:
        """Return a decision, or None."""
        query = sa.select(decisions.c.record).where(decisions.c.decision_id == decision_id)
        with self._database.reading() as connection:
            record = connection.execute(query).scalar()
        return None if record is None else msgspec.json.decode(record, type=Decision)

    def post(self, decision: Decision) -> Post | None:
        """Return the post that was decided about, if its text is still kept."""
        query = sa.select(posts.c.record).where(
            posts.c.platform == decision.platform,
            posts.c.post_id == decision.post_id,
            posts.c.revision == decision.revision,
        )
        with self._database.reading() as connection:
            record = connection.execute(query).scalar()
        return None if record is None else post_of(record)


def keep_texts(connection: Connection, some: Sequence[Post], *, received_at: Micros) -> None:
    """Keep posts that are not kept yet, inside a transaction; they are forgotten as if they had come now."""
    if some:
        rows = [
            {
                "platform": post.platform,
                "post_id": post.id,
                "revision": post.revision,
                "received_at": received_at,
                "record": msgspec.json.encode(post),
            }
            for post in some
        ]
        connection.execute(insert(posts).on_conflict_do_nothing(), rows)
