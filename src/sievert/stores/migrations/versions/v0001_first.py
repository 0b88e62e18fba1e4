"""The first tables."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from sievert.stores.kinds import NUMBER

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make every table of the first release."""
    text, blob, big = sa.String, sa.LargeBinary, sa.BigInteger

    def column(name: str, kind: Any, *, primary: bool = False, unique: bool = False) -> sa.Column[Any]:
        return sa.Column(name, kind, primary_key=primary, nullable=False, unique=unique)

    op.create_table(
        "decisions",
        column("sequence", NUMBER, primary=True),
        column("decision_id", text, unique=True),
        column("platform", text),
        column("post_id", text),
        column("revision", sa.Integer),
        column("trigger", text),
        column("outcome", text),
        column("language", text),
        column("policies_named", text),
        column("received_at", big),
        column("decided_at", big),
        column("digest", blob),
        column("record", blob),
    )
    op.create_index("decisions_by_post", "decisions", ["platform", "post_id", "revision"])
    op.create_index("decisions_by_time", "decisions", ["decided_at"])
    op.create_table(
        "posts",
        column("platform", text, primary=True),
        column("post_id", text, primary=True),
        column("revision", sa.Integer, primary=True),
        column("received_at", big),
        column("record", blob),
    )
    op.create_index("posts_by_time", "posts", ["received_at"])
    op.create_table(
        "actions",
        column("sequence", NUMBER, primary=True),
        column("action_id", text, unique=True),
        column("policy", text),
        column("kind", text),
        column("at", big),
        column("record", blob),
    )
    op.create_table(
        "cases",
        column("sequence", NUMBER, primary=True),
        column("case_id", text, unique=True),
        column("policy", text),
        column("state", text),
        column("at", big),
        column("record", blob),
    )
    op.create_index("cases_by_policy", "cases", ["policy", "at"])
    op.create_table(
        "outbox",
        column("sequence", NUMBER, primary=True),
        column("message_id", text, unique=True),
        column("kind", text),
        column("created_at", big),
        column("state", text),
        column("attempts", sa.Integer),
        column("next_attempt_at", big),
        column("last_error", text),
        column("body", blob),
    )
    op.create_index("outbox_by_due", "outbox", ["state", "next_attempt_at"])
    op.create_table(
        "keys",
        column("key_id", text, primary=True),
        column("secret_sha256", text, unique=True),
        column("record", blob),
    )
    op.create_table(
        "audit", column("sequence", NUMBER, primary=True), column("digest", text), column("record", blob)
    )
    op.create_table(
        "audit_head",
        column("one", sa.Integer, primary=True),
        column("sequence", NUMBER),
        column("digest", text),
    )
    op.create_table("facts", column("name", text, primary=True), column("value", text))
    if op.get_bind().dialect.name == "postgresql":
        _refuse_changes_in_postgres()
        return
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER audit_no_{verb.lower()} BEFORE {verb} ON audit "
            "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
        )


def _refuse_changes_in_postgres() -> None:
    op.execute(
        "CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'integrity_constraint_violation';"
        " END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON audit"
        " FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()"
    )


def downgrade() -> None:
    """There is nothing before the first revision."""
    message = "0001 is the first revision"
    raise RuntimeError(message)
