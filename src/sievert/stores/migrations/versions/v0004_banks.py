"""Banks of hashes, and the pictures that posts showed."""

import sqlalchemy as sa
from alembic import op

from sievert.stores.kinds import NUMBER

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of banks and of pictures."""
    op.create_table(
        "banks",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("record", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "bank_entries",
        sa.Column("number", NUMBER, primary_key=True),
        sa.Column("entry_id", sa.String, nullable=False, unique=True),
        sa.Column("bank", sa.String, nullable=False),
        sa.Column("signal", sa.String, nullable=False),
        sa.Column("quarantined_at", sa.BigInteger, nullable=True),
        sa.Column("record", sa.LargeBinary, nullable=False),
        sqlite_autoincrement=True,  # an index may still hold the number of a dropped entry
    )
    op.create_index("bank_entries_by_bank", "bank_entries", ["bank"])  # and, within it, by number
    op.create_index(
        "bank_entries_in_quarantine",
        "bank_entries",
        ["quarantined_at"],
        sqlite_where=sa.text("quarantined_at IS NOT NULL"),
        postgresql_where=sa.text("quarantined_at IS NOT NULL"),
    )
    # Counted as they come and go: a server asks for the sizes at each change.
    op.create_table(
        "bank_sizes",
        sa.Column("bank", sa.String, primary_key=True),
        sa.Column("signal", sa.String, primary_key=True),
        sa.Column("entries", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    if op.get_bind().dialect.name == "postgresql":
        _count_in_postgres()
    else:
        _count_in_sqlite()
    op.create_table(
        "pictures",
        sa.Column("sha256", sa.String, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("record", sa.LargeBinary, nullable=False),
    )
    op.create_index("pictures_by_time", "pictures", ["at"])
    # Rows are found by their whole key and by nothing else: no number of their own beside it.
    op.create_table(
        "picture_hashes",
        sa.Column("sha256", sa.String, primary_key=True),
        sa.Column("frame", sa.Integer, primary_key=True),
        sa.Column("pdq", sa.LargeBinary, nullable=False),
        sa.Column("quality", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "picture_posts",
        sa.Column("sha256", sa.String, primary_key=True),
        sa.Column("platform", sa.String, primary_key=True),
        sa.Column("post_id", sa.String, primary_key=True),
        sa.Column("revision", sa.Integer, primary_key=True),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("picture_posts_by_time", "picture_posts", ["received_at"])


def _count_in_sqlite() -> None:
    op.execute(
        "CREATE TRIGGER bank_entry_came AFTER INSERT ON bank_entries BEGIN"
        " INSERT INTO bank_sizes (bank, signal, entries) VALUES (new.bank, new.signal, 1)"
        " ON CONFLICT DO UPDATE SET entries = entries + 1; END"
    )
    op.execute(
        "CREATE TRIGGER bank_entry_went AFTER DELETE ON bank_entries BEGIN"
        " UPDATE bank_sizes SET entries = entries - 1 WHERE bank = old.bank AND signal = old.signal; END"
    )


def _count_in_postgres() -> None:
    # Once a statement: an exchange brings thousands of entries at a time.
    op.execute(
        "CREATE FUNCTION count_bank_entries_that_came() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " INSERT INTO bank_sizes (bank, signal, entries)"
        " SELECT bank, signal, count(*) FROM came GROUP BY bank, signal"
        " ON CONFLICT (bank, signal) DO UPDATE SET entries = bank_sizes.entries + excluded.entries;"
        " RETURN NULL; END $$"
    )
    op.execute(
        "CREATE FUNCTION count_bank_entries_that_went() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " UPDATE bank_sizes SET entries = bank_sizes.entries - gone.number"
        " FROM (SELECT bank, signal, count(*) AS number FROM went GROUP BY bank, signal) AS gone"
        " WHERE bank_sizes.bank = gone.bank AND bank_sizes.signal = gone.signal; RETURN NULL; END $$"
    )
    op.execute(
        "CREATE TRIGGER bank_entries_came AFTER INSERT ON bank_entries REFERENCING NEW TABLE AS came"
        " FOR EACH STATEMENT EXECUTE FUNCTION count_bank_entries_that_came()"
    )
    op.execute(
        "CREATE TRIGGER bank_entries_went AFTER DELETE ON bank_entries REFERENCING OLD TABLE AS went"
        " FOR EACH STATEMENT EXECUTE FUNCTION count_bank_entries_that_went()"
    )


def downgrade() -> None:
    """Drop them."""
    for name in ("picture_posts", "picture_hashes", "pictures", "bank_sizes", "bank_entries", "banks"):
        op.drop_table(name)
