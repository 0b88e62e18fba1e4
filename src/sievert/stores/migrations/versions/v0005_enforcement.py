"""What was done to posts and still stands, switches that are off, removals that wait, limits of accounts."""

import sqlalchemy as sa
from alembic import op

from sievert.stores.kinds import NUMBER

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables, and fill in what was done before they were."""
    op.create_table(
        "standing",
        sa.Column("sequence", NUMBER, primary_key=True),
        sa.Column("action_id", sa.String, nullable=False, unique=True),
        sa.Column("platform", sa.String, nullable=False),
        sa.Column("post_id", sa.String, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("creator_id", sa.String, nullable=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("policy", sa.String, nullable=False),
        sa.Column("automatic", sa.Integer, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=True),
        sa.Column("undone_by", sa.String, nullable=True),
        sa.Column("record", sa.LargeBinary, nullable=False),
    )
    op.create_index("standing_by_post", "standing", ["platform", "post_id", "revision"])
    op.create_index("standing_by_policy", "standing", ["policy", "kind", "at"])
    op.create_index("standing_by_creator", "standing", ["platform", "creator_id", "policy", "at"])
    op.create_index(
        "standing_that_expire",
        "standing",
        ["expires_at"],
        sqlite_where=sa.text("expires_at IS NOT NULL AND undone_by IS NULL"),
        postgresql_where=sa.text("expires_at IS NOT NULL AND undone_by IS NULL"),
    )
    if op.get_bind().dialect.name == "sqlite":  # no older release spoke to PostgreSQL
        op.execute(
            "INSERT INTO standing (action_id, platform, post_id, revision, kind, policy, automatic, at, record)"
            " SELECT action_id, json_extract(CAST(record AS TEXT), '$.platform'),"
            " json_extract(CAST(record AS TEXT), '$.post_id'),"
            " json_extract(CAST(record AS TEXT), '$.revision'), kind, policy, 1, at, record"
            " FROM actions ORDER BY sequence"
        )
    op.create_table(
        "stops",
        sa.Column("sequence", NUMBER, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("policy", sa.String, nullable=False),
        sa.Column("ended_at", sa.BigInteger, nullable=True),
        sa.Column("record", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "delayed",
        sa.Column("action_id", sa.String, primary_key=True),
        sa.Column("platform", sa.String, nullable=False),
        sa.Column("post_id", sa.String, nullable=False),
        sa.Column("release_at", sa.BigInteger, nullable=False),
        sa.Column("most_views", sa.BigInteger, nullable=True),
        sa.Column("record", sa.LargeBinary, nullable=False),
    )
    op.create_index("delayed_by_time", "delayed", ["release_at"])
    op.create_index("delayed_by_post", "delayed", ["platform", "post_id"])
    op.create_table(
        "account_limits",
        sa.Column("sequence", NUMBER, primary_key=True),
        sa.Column("limit_id", sa.String, nullable=False, unique=True),
        sa.Column("platform", sa.String, nullable=False),
        sa.Column("creator_id", sa.String, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("lifted_at", sa.BigInteger, nullable=True),
        sa.Column("record", sa.LargeBinary, nullable=False),
    )
    op.create_index("account_limits_by_account", "account_limits", ["platform", "creator_id"])


def downgrade() -> None:
    """Drop them."""
    for name in ("account_limits", "delayed", "stops", "standing"):
        op.drop_table(name)
