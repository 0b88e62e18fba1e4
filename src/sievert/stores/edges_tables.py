"""The table of edges."""

import sqlalchemy as sa

from sievert.stores.tables import metadata

# Who is joined to whom; a change takes a new number, so that it is read again.
edges = sa.Table(
    "edges",
    metadata,
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("key", sa.LargeBinary, nullable=False, unique=True),  # of platform, kind and both ends
    sa.Column("platform", sa.String, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("source_id", sa.String, nullable=False),
    sa.Column("target_id", sa.String, nullable=False),
    sa.Column("since", sa.BigInteger, nullable=False),
    sa.Column("until", sa.BigInteger, nullable=True),
    sa.Column("received_at", sa.BigInteger, nullable=False),
)
