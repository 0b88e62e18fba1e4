"""Activity: what happened to posts and accounts."""

import sqlalchemy as sa
from alembic import op

from sievert.stores.kinds import NUMBER

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of activity."""
    # Rows are found by their whole key and by nothing else: no number of their own beside it.
    op.create_table(
        "activity_posts",
        sa.Column("platform", sa.String, primary_key=True),
        sa.Column("post_id", sa.String, primary_key=True),
        sa.Column("creator_id", sa.String, nullable=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "activity_keys",
        sa.Column("key", sa.LargeBinary, primary_key=True),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "activity_events",
        sa.Column("sequence", NUMBER, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Column("record", sa.LargeBinary, nullable=False),
        sqlite_autoincrement=True,  # a number is never used twice, whatever is forgotten
    )
    op.create_index("activity_events_by_time", "activity_events", ["received_at"])
    op.create_table(
        "activity_reporters",
        sa.Column("platform", sa.String, primary_key=True),
        sa.Column("post_id", sa.String, primary_key=True),
        sa.Column("actor_id", sa.String, primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "activity_counts",
        sa.Column("role", sa.Integer, primary_key=True),
        sa.Column("platform", sa.String, primary_key=True),
        sa.Column("subject", sa.String, primary_key=True),
        sa.Column("counter", sa.Integer, primary_key=True),
        sa.Column("epoch", sa.Integer, primary_key=True),
        sa.Column("total", sa.BigInteger, nullable=False),
        sa.Column("week", sa.BigInteger, nullable=False),
        sa.Column("hours", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "activity_facts",
        sa.Column("role", sa.Integer, primary_key=True),
        sa.Column("platform", sa.String, primary_key=True),
        sa.Column("subject", sa.String, primary_key=True),
        sa.Column("name", sa.Integer, primary_key=True),
        sa.Column("first_at", sa.BigInteger, nullable=False),
        sa.Column("last_at", sa.BigInteger, nullable=False),
        sa.Column("value", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "activity_orphans",
        sa.Column("platform", sa.String, primary_key=True),
        sa.Column("post_id", sa.String, primary_key=True),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Drop them."""
    for name in ("posts", "keys", "events", "reporters", "counts", "facts", "orphans"):
        op.drop_table(f"activity_{name}")
