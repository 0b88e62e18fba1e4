"""Labels."""

import sqlalchemy as sa
from alembic import op

from sievert.stores.kinds import NUMBER

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table of labels."""
    op.create_table(
        "labels",
        sa.Column("sequence", NUMBER, primary_key=True),
        sa.Column("label_id", sa.String, nullable=False, unique=True),
        sa.Column("policy", sa.String, nullable=True),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("record", sa.LargeBinary, nullable=False),
    )
    op.create_index("labels_by_policy", "labels", ["policy", "at"])


def downgrade() -> None:
    """Drop the table of labels."""
    op.drop_table("labels")
