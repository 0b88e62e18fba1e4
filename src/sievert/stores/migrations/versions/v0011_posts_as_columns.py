"""Which post a record is about stands in a column; PostgreSQL gets tables for plainly allowed posts."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_TABLES = ("actions", "cases", "labels")


def upgrade() -> None:
    """Add the columns, fill them from the records, and find by them what was found by expressions."""
    for name in _TABLES:
        op.add_column(name, sa.Column("post_id", sa.String, nullable=True))
    op.add_column("cases", sa.Column("kind", sa.String, nullable=True))
    # PostgreSQL is spoken to since this revision: there is nothing in it to fill from, nor those indexes.
    if op.get_bind().dialect.name == "sqlite":
        for name in _TABLES:
            op.execute(f"UPDATE {name} SET post_id = json_extract(CAST(record AS TEXT), '$.post_id')")  # noqa: S608  our own words
        op.execute(
            "UPDATE cases SET kind = coalesce(json_extract(CAST(record AS TEXT), '$.kind'), 'decision')"
        )
        op.execute("DROP INDEX IF EXISTS actions_by_post")
        op.execute("DROP INDEX IF EXISTS labels_by_post")
    for name in _TABLES:
        op.create_index(f"{name}_by_post", name, ["post_id"])
    if op.get_bind().dialect.name == "postgresql":
        _keep_allowed_posts()


def _keep_allowed_posts() -> None:
    """Make the tables that stand in the place of the segments of a folder."""
    op.create_table(
        "allowed_facts",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("record", sa.LargeBinary, nullable=False, unique=True),
    )
    op.create_table(
        "allowed",
        sa.Column("platform", sa.String, primary_key=True),
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("revision", sa.Integer, primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("creator_id", sa.String, nullable=True),
        sa.Column("created_at", sa.BigInteger, nullable=True),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Column("decided_at", sa.BigInteger, nullable=False),
        sa.Column("language", sa.SmallInteger, nullable=False),
        sa.Column("stage", sa.SmallInteger, nullable=False),
        sa.Column("facts", sa.Integer, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("scores", sa.LargeBinary, nullable=False),
    )
    op.create_index("allowed_by_sequence", "allowed", ["sequence"], unique=True)
    # Rows lie in the order in which they came: a range of pages says enough.
    op.create_index("allowed_by_time", "allowed", ["received_at"], postgresql_using="brin")


def downgrade() -> None:
    """Drop them."""
    if op.get_bind().dialect.name == "postgresql":
        op.drop_table("allowed")
        op.drop_table("allowed_facts")
    for name in _TABLES:
        op.drop_index(f"{name}_by_post", name)
        op.drop_column(name, "post_id")
    op.drop_column("cases", "kind")
