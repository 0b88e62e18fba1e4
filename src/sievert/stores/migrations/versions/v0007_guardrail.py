"""What the guardrail keeps: crossings, attempts, audits, certificates, and the ledger."""

import sqlalchemy as sa
from alembic import op

from sievert.stores.kinds import NUMBER

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the guardrail's tables."""
    op.create_table(
        "guardrail_crossings",
        sa.Column("sequence", NUMBER, primary_key=True),
        sa.Column("policy", sa.String, nullable=False),
        sa.Column("platform", sa.String, nullable=False),
        sa.Column("decision_id", sa.String, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("certificate", sa.String, nullable=False),
        sa.Column("record", sa.LargeBinary, nullable=False),
        sqlite_autoincrement=True,  # a frame is named by its last number: none comes twice
    )
    op.create_index("guardrail_crossings_by_policy", "guardrail_crossings", ["policy", "platform", "at"])
    op.create_index("guardrail_crossings_by_decision", "guardrail_crossings", ["decision_id"])
    op.create_index("guardrail_crossings_by_certificate", "guardrail_crossings", ["certificate", "sequence"])
    op.create_table(
        "guardrail_attempts",
        sa.Column("sequence", NUMBER, primary_key=True),
        sa.Column("attempt_id", sa.String, nullable=False, unique=True),
        sa.Column("policy", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("record", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "guardrail_audits",
        sa.Column("sequence", NUMBER, primary_key=True),
        sa.Column("audit_id", sa.String, nullable=False, unique=True),
        sa.Column("purpose", sa.String, nullable=False),
        sa.Column("policy", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("record", sa.LargeBinary, nullable=False),
    )
    op.create_index("guardrail_audits_by_purpose", "guardrail_audits", ["purpose", "state"])
    op.create_index("guardrail_audits_by_policy", "guardrail_audits", ["policy", "state"])
    op.create_table(
        "guardrail_certificates",
        sa.Column("sequence", NUMBER, primary_key=True),
        sa.Column("name", sa.String, nullable=False, unique=True),
        sa.Column("policy", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("record", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "guardrail_ledger",
        sa.Column("sequence", NUMBER, primary_key=True),
        sa.Column("entry_id", sa.String, nullable=False, unique=True),
        sa.Column("policy", sa.String, nullable=False),
        sa.Column("certificate", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("record", sa.LargeBinary, nullable=False),
    )
    op.create_index("guardrail_ledger_by_policy", "guardrail_ledger", ["policy", "sequence"])


def downgrade() -> None:
    """Drop them."""
    for name in (
        "guardrail_ledger",
        "guardrail_certificates",
        "guardrail_audits",
        "guardrail_attempts",
        "guardrail_crossings",
    ):
        op.drop_table(name)
