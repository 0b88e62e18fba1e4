"""The tables of `sievert.db`, as the code speaks of them; `migrations` makes them."""

import sqlalchemy as sa

metadata = sa.MetaData()

decisions = sa.Table(
    "decisions",
    metadata,
    sa.Column("sequence", sa.Integer, primary_key=True),
    sa.Column("decision_id", sa.String, nullable=False, unique=True),
    sa.Column("platform", sa.String, nullable=False),
    sa.Column("post_id", sa.String, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("trigger", sa.String, nullable=False),
    sa.Column("outcome", sa.String, nullable=False),
    sa.Column("language", sa.String, nullable=False),
    sa.Column("policies_named", sa.String, nullable=False),  # ",hate,spam," of the reasons
    sa.Column("received_at", sa.BigInteger, nullable=False),
    sa.Column("decided_at", sa.BigInteger, nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("record", sa.LargeBinary, nullable=False),  # the Decision, as JSON
    sa.Index("decisions_by_post", "platform", "post_id", "revision"),
    sa.Index("decisions_by_time", "decided_at"),
)

posts = sa.Table(
    "posts",
    metadata,
    sa.Column("platform", sa.String, primary_key=True),
    sa.Column("post_id", sa.String, primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True),
    sa.Column("received_at", sa.BigInteger, nullable=False),
    sa.Column("record", sa.LargeBinary, nullable=False),  # the Post, as JSON
    sa.Index("posts_by_time", "received_at"),
)

actions = sa.Table(
    "actions",
    metadata,
    sa.Column("sequence", sa.Integer, primary_key=True),
    sa.Column("action_id", sa.String, nullable=False, unique=True),
    sa.Column("policy", sa.String, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("record", sa.LargeBinary, nullable=False),
)

cases = sa.Table(
    "cases",
    metadata,
    sa.Column("sequence", sa.Integer, primary_key=True),
    sa.Column("case_id", sa.String, nullable=False, unique=True),
    sa.Column("policy", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("record", sa.LargeBinary, nullable=False),
    sa.Index("cases_by_policy", "policy", "at"),
)

labels = sa.Table(
    "labels",
    metadata,
    sa.Column("sequence", sa.Integer, primary_key=True),
    sa.Column("label_id", sa.String, nullable=False, unique=True),
    sa.Column("policy", sa.String, nullable=True),
    sa.Column("source", sa.String, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("record", sa.LargeBinary, nullable=False),
    sa.Index("labels_by_policy", "policy", "at"),
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("sequence", sa.Integer, primary_key=True),
    sa.Column("message_id", sa.String, nullable=False, unique=True),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_attempt_at", sa.BigInteger, nullable=False),
    sa.Column("last_error", sa.String, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Index("outbox_by_due", "state", "next_attempt_at"),
)

keys = sa.Table(
    "keys",
    metadata,
    sa.Column("key_id", sa.String, primary_key=True),
    sa.Column("secret_sha256", sa.String, nullable=False, unique=True),
    sa.Column("record", sa.LargeBinary, nullable=False),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("digest", sa.String, nullable=False),
    sa.Column("record", sa.LargeBinary, nullable=False),
)

# One row: how far the audit log had come. A log cut off at its end no longer fits it.
audit_head = sa.Table(
    "audit_head",
    metadata,
    sa.Column("one", sa.Integer, primary_key=True),
    sa.Column("sequence", sa.Integer, nullable=False),
    sa.Column("digest", sa.String, nullable=False),
)

facts = sa.Table(
    "facts",
    metadata,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("value", sa.String, nullable=False),
)

activity_posts = sa.Table(
    "activity_posts",
    metadata,
    sa.Column("platform", sa.String, primary_key=True),
    sa.Column("post_id", sa.String, primary_key=True),
    sa.Column("creator_id", sa.String, nullable=True),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("received_at", sa.BigInteger, nullable=False),
)

# Hashes of what counts once: event ids, and who did what to which post.
activity_keys = sa.Table(
    "activity_keys",
    metadata,
    sa.Column("key", sa.LargeBinary, primary_key=True),
    sa.Column("received_at", sa.BigInteger, nullable=False),
)

activity_events = sa.Table(
    "activity_events",
    metadata,
    sa.Column("sequence", sa.Integer, primary_key=True),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("received_at", sa.BigInteger, nullable=False),
    sa.Column("record", sa.LargeBinary, nullable=False),  # the event, as JSON
    sa.Index("activity_events_by_time", "received_at"),
)

activity_reporters = sa.Table(
    "activity_reporters",
    metadata,
    sa.Column("platform", sa.String, primary_key=True),
    sa.Column("post_id", sa.String, primary_key=True),
    sa.Column("actor_id", sa.String, primary_key=True),
)

activity_counts = sa.Table(
    "activity_counts",
    metadata,
    sa.Column("role", sa.Integer, primary_key=True),  # as what it is counted: features.behaviour.counting
    sa.Column("platform", sa.String, primary_key=True),
    sa.Column("subject", sa.String, primary_key=True),
    sa.Column("counter", sa.Integer, primary_key=True),
    sa.Column("epoch", sa.Integer, primary_key=True),
    sa.Column("total", sa.BigInteger, nullable=False),
    sa.Column("week", sa.BigInteger, nullable=False),
    sa.Column("hours", sa.BigInteger, nullable=False),
)

activity_facts = sa.Table(
    "activity_facts",
    metadata,
    sa.Column("role", sa.Integer, primary_key=True),
    sa.Column("platform", sa.String, primary_key=True),
    sa.Column("subject", sa.String, primary_key=True),
    sa.Column("name", sa.Integer, primary_key=True),
    sa.Column("first_at", sa.BigInteger, nullable=False),
    sa.Column("last_at", sa.BigInteger, nullable=False),
    sa.Column("value", sa.BigInteger, nullable=False),
)

# Posts that events came for before the posts themselves.
activity_orphans = sa.Table(
    "activity_orphans",
    metadata,
    sa.Column("platform", sa.String, primary_key=True),
    sa.Column("post_id", sa.String, primary_key=True),
    sa.Column("received_at", sa.BigInteger, nullable=False),
)

banks = sa.Table(
    "banks",
    metadata,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("record", sa.LargeBinary, nullable=False),  # the Bank, as JSON
)

bank_entries = sa.Table(
    "bank_entries",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("entry_id", sa.String, nullable=False, unique=True),
    sa.Column("bank", sa.String, nullable=False),
    sa.Column("signal", sa.String, nullable=False),
    sa.Column("quarantined_at", sa.BigInteger, nullable=True),
    sa.Column("record", sa.LargeBinary, nullable=False),  # the BankEntry, as JSON
    sa.Index("bank_entries_by_bank", "bank"),
    sa.Index(
        "bank_entries_in_quarantine",
        "quarantined_at",
        sqlite_where=sa.text("quarantined_at IS NOT NULL"),
    ),
)

# Kept by triggers, as entries come and go.
bank_sizes = sa.Table(
    "bank_sizes",
    metadata,
    sa.Column("bank", sa.String, primary_key=True),
    sa.Column("signal", sa.String, primary_key=True),
    sa.Column("entries", sa.Integer, nullable=False),
)

pictures = sa.Table(
    "pictures",
    metadata,
    sa.Column("sha256", sa.String, primary_key=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("record", sa.LargeBinary, nullable=False),  # the PictureFacts, as JSON
    sa.Index("pictures_by_time", "at"),
)

picture_hashes = sa.Table(
    "picture_hashes",
    metadata,
    sa.Column("sha256", sa.String, primary_key=True),
    sa.Column("frame", sa.Integer, primary_key=True),
    sa.Column("pdq", sa.LargeBinary, nullable=False),  # 32 bytes
    sa.Column("quality", sa.Integer, nullable=False),
)

picture_posts = sa.Table(
    "picture_posts",
    metadata,
    sa.Column("sha256", sa.String, primary_key=True),
    sa.Column("platform", sa.String, primary_key=True),
    sa.Column("post_id", sa.String, primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True),
    sa.Column("received_at", sa.BigInteger, nullable=False),
    sa.Index("picture_posts_by_time", "received_at"),
)

# Looks at posts above a policy's floor; those at which a certificate had the post removed name it.
guardrail_crossings = sa.Table(
    "guardrail_crossings",
    metadata,
    sa.Column("sequence", sa.Integer, primary_key=True),
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
    sa.Column("sequence", sa.Integer, primary_key=True),
    sa.Column("attempt_id", sa.String, nullable=False, unique=True),
    sa.Column("policy", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("record", sa.LargeBinary, nullable=False),
)

guardrail_audits = sa.Table(
    "guardrail_audits",
    metadata,
    sa.Column("sequence", sa.Integer, primary_key=True),
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
    sa.Column("sequence", sa.Integer, primary_key=True),
    sa.Column("name", sa.String, nullable=False, unique=True),
    sa.Column("policy", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("record", sa.LargeBinary, nullable=False),
)

guardrail_ledger = sa.Table(
    "guardrail_ledger",
    metadata,
    sa.Column("sequence", sa.Integer, primary_key=True),
    sa.Column("entry_id", sa.String, nullable=False, unique=True),
    sa.Column("policy", sa.String, nullable=False),
    sa.Column("certificate", sa.String, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("record", sa.LargeBinary, nullable=False),
    sa.Index("guardrail_ledger_by_policy", "policy", "sequence"),
)
