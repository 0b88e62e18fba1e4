"""The table of those who were forgotten, as the code speaks of it; `migrations` makes it."""

import sqlalchemy as sa

from sievert.stores.tables import metadata

forgettings = sa.Table(
    "forgettings",
    metadata,
    sa.Column("forgetting_id", sa.String, primary_key=True),
    sa.Column("platform", sa.String, nullable=False),
    sa.Column("creator", sa.String, nullable=False),  # a keyed hash
    sa.Column("state", sa.String, nullable=False),  # a ForgettingState
    sa.Column("asked_at", sa.BigInteger, nullable=False),
    sa.Column("record", sa.LargeBinary, nullable=False),  # the Forgetting, as JSON
)
