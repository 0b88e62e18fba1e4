"""Decisions by their ids, and the posts behind them, read beside a running server.

Not covered: plainly allowed posts. They lie in segments without their text, and nothing about them can be
done over.
"""

import msgspec
import sqlalchemy as sa

from sievert.schema.decision import Decision
from sievert.schema.post import Post
from sievert.stores.database import Database
from sievert.stores.journal.rows import post_of
from sievert.stores.tables import decisions, posts


class KeptDecisions:
    """Reads what was decided about posts that were not plainly allowed."""

    def __init__(self, database: Database) -> None:
        """Speak of one database."""
        self._database = database

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
