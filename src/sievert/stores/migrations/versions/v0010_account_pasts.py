"""What accounts were like, where a policy watches for new ones and for sudden changes."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; nothing is known of anybody yet."""
    op.create_table(
        "account_pasts",
        sa.Column("platform", sa.String, primary_key=True),
        sa.Column("creator_id", sa.String, primary_key=True),
        sa.Column("policy", sa.String, primary_key=True),
        sa.Column("record", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("account_pasts")
