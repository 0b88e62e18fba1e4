"""The tables of people and sessions, as the code speaks of them; `migrations` makes them."""

import sqlalchemy as sa

from sievert.stores.tables import metadata

people = sa.Table(
    "people",
    metadata,
    sa.Column("person_id", sa.String, primary_key=True),
    sa.Column("name", sa.String, nullable=False, unique=True),  # casefolded
    sa.Column("record", sa.LargeBinary, nullable=False),  # the Person, as JSON
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("token_sha256", sa.String, primary_key=True),
    sa.Column("session_id", sa.String, nullable=False, unique=True),
    sa.Column("person_id", sa.String, nullable=False),
    sa.Column("seen_at", sa.BigInteger, nullable=False),  # the newest; the record's is the first
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    sa.Column("record", sa.LargeBinary, nullable=False),  # the Session, as JSON
    sa.Index("sessions_by_person", "person_id"),
)
