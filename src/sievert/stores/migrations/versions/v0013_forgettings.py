"""Who was forgotten; and a line of the audit log may be emptied, in the open, where it leads to them."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_MARK = '"redacted"\\:true'  # a bare colon would begin a parameter
_SQLITE = (
    "NEW.sequence <> OLD.sequence OR NEW.digest <> OLD.digest"
    f" OR instr(CAST(NEW.record AS TEXT), '{_MARK}') = 0"
)
_POSTGRES = (
    "NEW.sequence <> OLD.sequence OR NEW.digest <> OLD.digest"
    f" OR position('{_MARK}'::bytea IN NEW.record) = 0"
)


def upgrade() -> None:
    """Make the table; of the audit log nothing may be changed but lines that are emptied."""
    op.create_table(
        "forgettings",
        sa.Column("forgetting_id", sa.String, primary_key=True),
        sa.Column("platform", sa.String, nullable=False),
        sa.Column("creator", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("asked_at", sa.BigInteger, nullable=False),
        sa.Column("record", sa.LargeBinary, nullable=False),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER audit_only_grows ON audit")
        op.execute(
            "CREATE TRIGGER audit_only_grows BEFORE DELETE OR TRUNCATE ON audit"
            " FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()"
        )
        op.execute(
            "CREATE TRIGGER audit_is_only_emptied BEFORE UPDATE ON audit"
            f" FOR EACH ROW WHEN ({_POSTGRES}) EXECUTE FUNCTION audit_is_append_only()"
        )
        return
    op.execute("DROP TRIGGER IF EXISTS audit_no_update")
    op.execute(
        f"CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit WHEN {_SQLITE} "
        "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
    )


def downgrade() -> None:
    """Drop the table, and refuse every change again."""
    op.drop_table("forgettings")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER audit_is_only_emptied ON audit")
        op.execute("DROP TRIGGER audit_only_grows ON audit")
        op.execute(
            "CREATE TRIGGER audit_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON audit"
            " FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()"
        )
        return
    op.execute("DROP TRIGGER IF EXISTS audit_no_update")
    op.execute(
        "CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit "
        "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
    )
