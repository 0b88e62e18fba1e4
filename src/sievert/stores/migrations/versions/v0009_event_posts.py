"""Comments and reports are found by their post, so that a reviewer sees them beside it."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and their index; of what was logged before, the post is not looked up."""
    op.add_column("activity_events", sa.Column("platform", sa.String, nullable=True))
    op.add_column("activity_events", sa.Column("post_id", sa.String, nullable=True))
    op.create_index(
        "activity_events_by_post",
        "activity_events",
        ["platform", "post_id", "kind"],
        sqlite_where=sa.text("post_id IS NOT NULL"),
        postgresql_where=sa.text("post_id IS NOT NULL"),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_index("activity_events_by_post", "activity_events")
    op.drop_column("activity_events", "post_id")
    op.drop_column("activity_events", "platform")
