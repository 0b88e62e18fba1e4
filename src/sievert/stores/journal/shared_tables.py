"""The tables of plainly allowed posts, which PostgreSQL has in the place of segments; `migrations` makes them."""

import sqlalchemy as sa

metadata = sa.MetaData()

# What many rows share: a SegmentFacts, as JSON.
allowed_facts = sa.Table(
    "allowed_facts",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("record", sa.LargeBinary, nullable=False, unique=True),
)

allowed = sa.Table(
    "allowed",
    metadata,
    sa.Column("platform", sa.String, primary_key=True),
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True),
    sa.Column("sequence", sa.BigInteger, nullable=False),  # one count with that of `decisions`
    sa.Column("creator_id", sa.String, nullable=True),
    sa.Column("created_at", sa.BigInteger, nullable=True),
    sa.Column("received_at", sa.BigInteger, nullable=False),
    sa.Column("decided_at", sa.BigInteger, nullable=False),
    sa.Column("language", sa.SmallInteger, nullable=False),
    sa.Column("stage", sa.SmallInteger, nullable=False),
    sa.Column("facts", sa.Integer, nullable=False),  # number of an `allowed_facts`
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("scores", sa.LargeBinary, nullable=False),  # float32, little end first: harm, then the heads
    sa.Index("allowed_by_sequence", "sequence", unique=True),
    sa.Index("allowed_by_time", "received_at", postgresql_using="brin"),
)
