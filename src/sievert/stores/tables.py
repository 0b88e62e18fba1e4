"""The tables of the database, as the code speaks of them; `migrations` makes them."""

import sqlalchemy as sa

from sievert.stores.kinds import NUMBER

metadata = sa.MetaData()

decisions = sa.Table(
    "decisions",
    metadata,
    sa.Column("sequence", NUMBER, primary_key=True),
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
    sa.Column("sequence", NUMBER, primary_key=True),
    sa.Column("action_id", sa.String, nullable=False, unique=True),
    sa.Column("post_id", sa.String, nullable=True),
    sa.Column("policy", sa.String, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("record", sa.LargeBinary, nullable=False),
    sa.Index("actions_by_post", "post_id"),
)

standing = sa.Table(
    "standing",
    metadata,
    sa.Column("sequence", NUMBER, primary_key=True),
    sa.Column("action_id", sa.String, nullable=False, unique=True),
    sa.Column("platform", sa.String, nullable=False),
    sa.Column("post_id", sa.String, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("creator_id", sa.String, nullable=True),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("policy", sa.String, nullable=False),
    sa.Column(
        "automatic", sa.Integer, nullable=False
    ),  # 0: a person did it; 1: nobody did; 2: nobody did, to a copy
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=True),
    sa.Column("undone_by", sa.String, nullable=True),  # the restore that took it back
    sa.Column("record", sa.LargeBinary, nullable=False),  # the Action, as JSON
    sa.Index("standing_by_post", "platform", "post_id", "revision"),
    sa.Index("standing_by_policy", "policy", "kind", "at"),
    sa.Index("standing_by_creator", "platform", "creator_id", "policy", "at"),
    sa.Index(
        "standing_that_expire",
        "expires_at",
        sqlite_where=sa.text("expires_at IS NOT NULL AND undone_by IS NULL"),
        postgresql_where=sa.text("expires_at IS NOT NULL AND undone_by IS NULL"),
    ),
)

stops = sa.Table(
    "stops",
    metadata,
    sa.Column("sequence", NUMBER, primary_key=True),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("policy", sa.String, nullable=False),  # empty: every one
    sa.Column("ended_at", sa.BigInteger, nullable=True),
    sa.Column("record", sa.LargeBinary, nullable=False),  # the Stop, as JSON
)

delayed = sa.Table(
    "delayed",
    metadata,
    sa.Column("action_id", sa.String, primary_key=True),
    sa.Column("platform", sa.String, nullable=False),
    sa.Column("post_id", sa.String, nullable=False),
    sa.Column("release_at", sa.BigInteger, nullable=False),
    sa.Column("most_views", sa.BigInteger, nullable=True),
    sa.Column("record", sa.LargeBinary, nullable=False),  # the DelayedRemoval, as JSON
    sa.Index("delayed_by_time", "release_at"),
    sa.Index("delayed_by_post", "platform", "post_id"),
)

account_limits = sa.Table(
    "account_limits",
    metadata,
    sa.Column("sequence", NUMBER, primary_key=True),
    sa.Column("limit_id", sa.String, nullable=False, unique=True),
    sa.Column("platform", sa.String, nullable=False),
    sa.Column("creator_id", sa.String, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    sa.Column("lifted_at", sa.BigInteger, nullable=True),
    sa.Column("record", sa.LargeBinary, nullable=False),  # the AccountLimit, as JSON
    sa.Index("account_limits_by_account", "platform", "creator_id"),
)

account_pasts = sa.Table(
    "account_pasts",
    metadata,
    sa.Column("platform", sa.String, primary_key=True),
    sa.Column("creator_id", sa.String, primary_key=True),
    sa.Column("policy", sa.String, primary_key=True),
    sa.Column("record", sa.LargeBinary, nullable=False),  # the AccountPast, as JSON
)

cases = sa.Table(
    "cases",
    metadata,
    sa.Column("sequence", NUMBER, primary_key=True),
    sa.Column("case_id", sa.String, nullable=False, unique=True),
    sa.Column("kind", sa.String, nullable=True),
    sa.Column("post_id", sa.String, nullable=True),
    sa.Column("policy", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("record", sa.LargeBinary, nullable=False),
    sa.Index("cases_by_policy", "policy", "at"),
    sa.Index("cases_by_post", "post_id"),
)

labels = sa.Table(
    "labels",
    metadata,
    sa.Column("sequence", NUMBER, primary_key=True),
    sa.Column("label_id", sa.String, nullable=False, unique=True),
    sa.Column("post_id", sa.String, nullable=True),
    sa.Column("policy", sa.String, nullable=True),
    sa.Column("source", sa.String, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("record", sa.LargeBinary, nullable=False),
    sa.Index("labels_by_policy", "policy", "at"),
    sa.Index("labels_by_post", "post_id"),
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("sequence", NUMBER, primary_key=True),
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
    sa.Column("sequence", NUMBER, primary_key=True, autoincrement=False),
    sa.Column("digest", sa.String, nullable=False),
    sa.Column("record", sa.LargeBinary, nullable=False),
)

# One row: how far the audit log had come. A log cut off at its end no longer fits it.
audit_head = sa.Table(
    "audit_head",
    metadata,
    sa.Column("one", sa.Integer, primary_key=True),
    sa.Column("sequence", NUMBER, nullable=False),
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
    sa.Column("sequence", NUMBER, primary_key=True),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("received_at", sa.BigInteger, nullable=False),
    sa.Column("record", sa.LargeBinary, nullable=False),  # the event, as JSON
    # Of what is read again beside its post, comments and reports; else null.
    sa.Column("platform", sa.String, nullable=True),
    sa.Column("post_id", sa.String, nullable=True),
    sa.Index("activity_events_by_time", "received_at"),
    sa.Index(
        "activity_events_by_post",
        "platform",
        "post_id",
        "kind",
        sqlite_where=sa.text("post_id IS NOT NULL"),
        postgresql_where=sa.text("post_id IS NOT NULL"),
    ),
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
    sa.Column("number", NUMBER, primary_key=True),
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
        postgresql_where=sa.text("quarantined_at IS NOT NULL"),
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

# What waits for people. One row a case; the record of the case itself stands in `cases`.
review_cases = sa.Table(
    "review_cases",
    metadata,
    sa.Column("sequence", NUMBER, primary_key=True),
    sa.Column("case_id", sa.String, nullable=False, unique=True),
    sa.Column("platform", sa.String, nullable=False),
    sa.Column("post_id", sa.String, nullable=False),
    sa.Column("policy", sa.String, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("rank", sa.Float, nullable=False),  # binary logarithm of worth, with the time it was opened
    sa.Column("heavy", sa.Boolean, nullable=False),  # counts against exposure
    sa.Column("state", sa.String, nullable=False),  # a CaseState
    sa.Column("lead", sa.String, nullable=False),  # the case that it is joined to; empty: none
    sa.Column("claim_id", NUMBER, nullable=True),
    sa.Column("reviewer", sa.String, nullable=True),
    sa.Column("expires_at", sa.BigInteger, nullable=True),
    sa.Index("review_cases_by_rank", "state", "policy", "kind", "rank"),
    sa.Index("review_cases_by_lead", "lead"),
    sa.Index(
        "review_cases_by_expiry",
        "expires_at",
        sqlite_where=sa.text("expires_at IS NOT NULL"),
        postgresql_where=sa.text("expires_at IS NOT NULL"),
    ),
)

# Names that near-duplicates share, of cases that are not settled.
review_likenesses = sa.Table(
    "review_likenesses",
    metadata,
    sa.Column("name", sa.LargeBinary, primary_key=True),
    sa.Column("case_id", sa.String, primary_key=True),
    sa.Index("review_likenesses_by_case", "case_id"),
)

review_claims = sa.Table(
    "review_claims",
    metadata,
    sa.Column("claim_id", NUMBER, primary_key=True),
    sa.Column("case_id", sa.String, nullable=False),
    sa.Column("reviewer", sa.String, nullable=False),
    sa.Column("claimed_at", sa.BigInteger, nullable=False),
    sa.Column("heavy", sa.Boolean, nullable=False),
    sa.Column("record", sa.LargeBinary, nullable=False),  # the Claim, as JSON
    sa.Index("review_claims_by_reviewer", "reviewer", "claimed_at"),
)

review_verdicts = sa.Table(
    "review_verdicts",
    metadata,
    sa.Column("sequence", NUMBER, primary_key=True),
    sa.Column("verdict_id", sa.String, nullable=False, unique=True),
    sa.Column("case_id", sa.String, nullable=False),
    sa.Column("reviewer", sa.String, nullable=False),
    sa.Column("record", sa.LargeBinary, nullable=False),  # the Verdict, as JSON
    sa.Index("review_verdicts_by_case", "case_id"),
)

# Who judged which post, whatever the case; a verdict on a near-duplicate is one on the post.
review_judges = sa.Table(
    "review_judges",
    metadata,
    sa.Column("platform", sa.String, primary_key=True),
    sa.Column("post_id", sa.String, primary_key=True),
    sa.Column("reviewer", sa.String, primary_key=True),
)

review_settlements = sa.Table(
    "review_settlements",
    metadata,
    sa.Column("sequence", NUMBER, primary_key=True),
    sa.Column("case_id", sa.String, nullable=False, unique=True),
    sa.Column("platform", sa.String, nullable=False),
    sa.Column("post_id", sa.String, nullable=False),
    sa.Column("record", sa.LargeBinary, nullable=False),  # the Settlement, as JSON
    sa.Index("review_settlements_by_post", "platform", "post_id"),
)

review_appeals = sa.Table(
    "review_appeals",
    metadata,
    sa.Column("appeal_id", sa.String, primary_key=True),
    sa.Column("action_id", sa.String, nullable=False, unique=True),
    sa.Column("record", sa.LargeBinary, nullable=False),  # the Appeal, as JSON
)

review_gold = sa.Table(
    "review_gold",
    metadata,
    sa.Column("case_id", sa.String, primary_key=True),
    sa.Column("record", sa.LargeBinary, nullable=False),  # the GoldAnswer, as JSON
)

# How long verdicts took, by policy and kind of case.
review_durations = sa.Table(
    "review_durations",
    metadata,
    sa.Column("policy", sa.String, primary_key=True),
    sa.Column("kind", sa.String, primary_key=True),
    sa.Column("verdicts", sa.Integer, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
)
