"""A database as an older release left it."""

from sievert.stores.embedded import EmbeddedStores  # noqa: F401  loads every table
from sievert.stores.tables import metadata


def without_post_columns(connection, tables=("actions", "cases", "labels")):
    """Take away the columns that say which post a record is about."""
    for name in tables:
        connection.execute(f"DROP INDEX {name}_by_post")
        connection.execute(f"ALTER TABLE {name} DROP COLUMN post_id")
    connection.execute("ALTER TABLE cases DROP COLUMN kind")


def back_to_0004(connection):
    """Take away what enforcement, review, guardrail and people brought."""
    later = (
        "standing",
        "stops",
        "delayed",
        "account_",
        "review_",
        "guardrail",
        "people",
        "sessions",
        "edges",
        "forgettings",
    )
    for name in [one for one in metadata.tables if one.startswith(later)]:
        connection.execute(f"DROP TABLE {name}")
    without_post_columns(connection)
    connection.execute("DROP INDEX activity_events_by_post")
    for name in ("platform", "post_id"):
        connection.execute(f"ALTER TABLE activity_events DROP COLUMN {name}")
    connection.execute("UPDATE alembic_version SET version_num = '0004'")
