"""People who sign in, and their sessions."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "people",
        sa.Column("person_id", sa.String, primary_key=True),
        sa.Column("name", sa.String, nullable=False, unique=True),
        sa.Column("record", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "sessions",
        sa.Column("token_sha256", sa.String, primary_key=True),
        sa.Column("session_id", sa.String, nullable=False, unique=True),
        sa.Column("person_id", sa.String, nullable=False),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("record", sa.LargeBinary, nullable=False),
    )
    op.create_index("sessions_by_person", "sessions", ["person_id"])


def downgrade() -> None:
    """Drop them."""
    op.drop_table("sessions")
    op.drop_table("people")
