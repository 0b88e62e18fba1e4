"""Which post a record is about, and of which kind a case is, stand in columns: both databases find them so."""

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


def downgrade() -> None:
    """Drop them."""
    for name in _TABLES:
        op.drop_index(f"{name}_by_post", name)
        op.drop_column(name, "post_id")
    op.drop_column("cases", "kind")
