"""Reviews: cases that wait, claims, verdicts, settlements, appeals and known answers."""

import math

import msgspec
import sqlalchemy as sa
from alembic import op

from sievert.stores.kinds import NUMBER

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_MINORS = "minors"
_HALF_DAY = 12 * 3600 * 1_000_000


def upgrade() -> None:
    """Make the tables, and let the cases that there are wait."""
    op.create_table(
        "review_cases",
        sa.Column("sequence", NUMBER, primary_key=True),
        sa.Column("case_id", sa.String, nullable=False, unique=True),
        sa.Column("platform", sa.String, nullable=False),
        sa.Column("post_id", sa.String, nullable=False),
        sa.Column("policy", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("rank", sa.Float, nullable=False),
        sa.Column("heavy", sa.Boolean, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("lead", sa.String, nullable=False),
        sa.Column("claim_id", NUMBER, nullable=True),
        sa.Column("reviewer", sa.String, nullable=True),
        sa.Column("expires_at", sa.BigInteger, nullable=True),
    )
    op.create_index("review_cases_by_rank", "review_cases", ["state", "policy", "kind", "rank"])
    op.create_index("review_cases_by_lead", "review_cases", ["lead"])
    op.create_index(
        "review_cases_by_expiry",
        "review_cases",
        ["expires_at"],
        sqlite_where=sa.text("expires_at IS NOT NULL"),
        postgresql_where=sa.text("expires_at IS NOT NULL"),
    )
    op.create_table(
        "review_likenesses",
        sa.Column("name", sa.LargeBinary, primary_key=True),
        sa.Column("case_id", sa.String, primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_index("review_likenesses_by_case", "review_likenesses", ["case_id"])
    op.create_table(
        "review_claims",
        sa.Column("claim_id", NUMBER, primary_key=True),
        sa.Column("case_id", sa.String, nullable=False),
        sa.Column("reviewer", sa.String, nullable=False),
        sa.Column("claimed_at", sa.BigInteger, nullable=False),
        sa.Column("heavy", sa.Boolean, nullable=False),
        sa.Column("record", sa.LargeBinary, nullable=False),
    )
    op.create_index("review_claims_by_reviewer", "review_claims", ["reviewer", "claimed_at"])
    op.create_table(
        "review_verdicts",
        sa.Column("sequence", NUMBER, primary_key=True),
        sa.Column("verdict_id", sa.String, nullable=False, unique=True),
        sa.Column("case_id", sa.String, nullable=False),
        sa.Column("reviewer", sa.String, nullable=False),
        sa.Column("record", sa.LargeBinary, nullable=False),
    )
    op.create_index("review_verdicts_by_case", "review_verdicts", ["case_id"])
    op.create_table(
        "review_judges",
        sa.Column("platform", sa.String, primary_key=True),
        sa.Column("post_id", sa.String, primary_key=True),
        sa.Column("reviewer", sa.String, primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "review_settlements",
        sa.Column("sequence", NUMBER, primary_key=True),
        sa.Column("case_id", sa.String, nullable=False, unique=True),
        sa.Column("platform", sa.String, nullable=False),
        sa.Column("post_id", sa.String, nullable=False),
        sa.Column("record", sa.LargeBinary, nullable=False),
    )
    op.create_index("review_settlements_by_post", "review_settlements", ["platform", "post_id"])
    op.create_table(
        "review_appeals",
        sa.Column("appeal_id", sa.String, primary_key=True),
        sa.Column("action_id", sa.String, nullable=False, unique=True),
        sa.Column("record", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "review_gold",
        sa.Column("case_id", sa.String, primary_key=True),
        sa.Column("record", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "review_durations",
        sa.Column("policy", sa.String, primary_key=True),
        sa.Column("kind", sa.String, primary_key=True),
        sa.Column("verdicts", sa.Integer, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sqlite_with_rowid=False,
    )
    if op.get_bind().dialect.name == "sqlite":  # since 0011 both databases have columns for that
        # What was done to a post is asked for with every verdict about it.
        op.execute(
            "CREATE INDEX IF NOT EXISTS actions_by_post ON actions"
            " (json_extract(CAST(record AS TEXT), '$.post_id'))"
        )
        # A post that is isolated takes the texts of its labels along.
        op.execute("CREATE INDEX labels_by_post ON labels (json_extract(CAST(record AS TEXT), '$.post_id'))")
    _let_wait()


def _let_wait() -> None:
    """Queue the cases of an older release; they had no verdicts yet."""
    database = op.get_bind()
    old = database.execute(sa.text("SELECT record FROM cases ORDER BY sequence")).scalars().all()
    for record in old:
        case = msgspec.json.decode(record)
        if case["policy"] != _MINORS:
            row = {
                "case_id": case["case_id"],
                "platform": case["platform"],
                "post_id": case["post_id"],
                "policy": case["policy"],
                "rank": math.log2(max(case["priority"], 1e-9)) + case["opened_at"] / _HALF_DAY,
                "heavy": bool(case.get("pictures")),
            }
            database.execute(
                sa.text(
                    "INSERT INTO review_cases (case_id, platform, post_id, policy, kind, rank, heavy, state, lead)"
                    " VALUES (:case_id, :platform, :post_id, :policy, 'decision', :rank, :heavy, 'open', '')"
                ),
                row,
            )


def downgrade() -> None:
    """Drop them."""
    op.execute("DROP INDEX IF EXISTS actions_by_post")
    op.execute("DROP INDEX IF EXISTS labels_by_post")
    for name in (
        "review_durations",
        "review_gold",
        "review_appeals",
        "review_settlements",
        "review_judges",
        "review_verdicts",
        "review_claims",
        "review_likenesses",
        "review_cases",
    ):
        op.drop_table(name)
