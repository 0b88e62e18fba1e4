"""Who is joined to whom, as platforms tell it and as people act."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; nobody is joined to anybody yet."""
    op.create_table(
        "edges",
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("key", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("platform", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("source_id", sa.String, nullable=False),
        sa.Column("target_id", sa.String, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=True),
        sa.Column("received_at", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("edges")
