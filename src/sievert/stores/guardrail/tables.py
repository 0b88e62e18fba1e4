"""The tables of the guardrail, as the code speaks of them; `migrations` makes them."""

import sqlalchemy as sa

from sievert.stores.kinds import NUMBER
from sievert.stores.tables import metadata

# Looks at posts above a policy's floor; those at which a certificate had the post removed name it.
guardrail_crossings = sa.Table(
    "guardrail_crossings",
    metadata,
    sa.Column("sequence", NUMBER, primary_key=True),
    sa.Column("policy", sa.String, nullable=False),
    sa.Column("platform", sa.String, nullable=False),
    sa.Column("decision_id", sa.String, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("certificate", sa.String, nullable=False),
    sa.Column("record", sa.LargeBinary, nullable=False),
    sa.Index("guardrail_crossings_by_policy", "policy", "platform", "at"),
    sa.Index("guardrail_crossings_by_decision", "decision_id"),
    sa.Index("guardrail_crossings_by_certificate", "certificate", "sequence"),
)

guardrail_attempts = sa.Table(
    "guardrail_attempts",
    metadata,
    sa.Column("sequence", NUMBER, primary_key=True),
    sa.Column("attempt_id", sa.String, nullable=False, unique=True),
    sa.Column("policy", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("record", sa.LargeBinary, nullable=False),
)

guardrail_audits = sa.Table(
    "guardrail_audits",
    metadata,
    sa.Column("sequence", NUMBER, primary_key=True),
    sa.Column("audit_id", sa.String, nullable=False, unique=True),
    sa.Column("purpose", sa.String, nullable=False),  # the attempt or the certificate that it serves
    sa.Column("policy", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("record", sa.LargeBinary, nullable=False),
    sa.Index("guardrail_audits_by_purpose", "purpose", "state"),
    sa.Index("guardrail_audits_by_policy", "policy", "state"),
)

guardrail_certificates = sa.Table(
    "guardrail_certificates",
    metadata,
    sa.Column("sequence", NUMBER, primary_key=True),
    sa.Column("name", sa.String, nullable=False, unique=True),
    sa.Column("policy", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("record", sa.LargeBinary, nullable=False),
)

guardrail_ledger = sa.Table(
    "guardrail_ledger",
    metadata,
    sa.Column("sequence", NUMBER, primary_key=True),
    sa.Column("entry_id", sa.String, nullable=False, unique=True),
    sa.Column("policy", sa.String, nullable=False),
    sa.Column("certificate", sa.String, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("record", sa.LargeBinary, nullable=False),
    sa.Index("guardrail_ledger_by_policy", "policy", "sequence"),
)
