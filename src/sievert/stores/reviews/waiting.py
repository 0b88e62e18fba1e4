"""What waits for one reviewer, asked of the database inside the transaction that will give it out."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.engine import Connection

from sievert.schema.action import CaseKind, CaseState
from sievert.stores.reviews.base import Waiting, Wanted
from sievert.stores.statements import run

_OFTEN = (CaseKind.DECISION.value, CaseKind.GOLD.value)
"""Kinds that somebody who judged the post before may have."""

_UNSEEN = (
    " NOT EXISTS (SELECT 1 FROM review_verdicts v WHERE v.case_id = r.case_id AND v.reviewer = ?)"
    " AND (r.kind IN (?, ?) OR NOT EXISTS (SELECT 1 FROM review_judges j WHERE"
    " j.platform = r.platform AND j.post_id = r.post_id AND j.reviewer = ?))"
)


class SqlQueue:
    """Reads `review_cases` for one reviewer."""

    def __init__(self, connection: Connection, wanted: Wanted) -> None:
        """Look with the eyes of a reviewer; whoever saw enough heavy cases sees none now."""
        self._connection = connection
        self._wanted = wanted
        self._where = f"r.state = ? AND {_UNSEEN}"
        self._values: tuple[Any, ...] = (CaseState.OPEN.value, wanted.reviewer, *_OFTEN, wanted.reviewer)
        if self._weary():
            self._where += " AND NOT r.heavy"

    @property
    def number(self) -> int:
        """Ask for the last number."""
        last = run(self._connection, "SELECT MAX(claim_id) FROM review_claims").scalar()
        return int(last or 0) + 1

    def best(self) -> Sequence[Waiting]:
        """Ask for the first of each policy and kind."""
        groups = run(
            self._connection,
            "SELECT DISTINCT policy, kind FROM review_cases WHERE state = ?",
            (CaseState.OPEN.value,),
        ).all()
        found = []
        for policy, kind in groups:
            if kind == CaseKind.GOLD or not self._asked(policy, kind):
                continue
            found += self._rows(
                " AND r.policy = ? AND r.kind = ? ORDER BY r.rank DESC, r.sequence LIMIT 1", (policy, kind)
            )
        return found

    def count(self) -> int:
        """Count in the database."""
        more, values = self._narrowed()
        query = f"SELECT COUNT(*) FROM review_cases r WHERE {self._where}{more}"  # noqa: S608  only constants
        return int(run(self._connection, query, self._values + values).scalar() or 0)

    def at(self, place: int) -> Waiting:
        """Skip so many rows."""
        more, values = self._narrowed()
        (found,) = self._rows(f"{more} ORDER BY r.sequence LIMIT 1 OFFSET ?", (*values, place))
        return found

    def gold(self) -> Waiting | None:
        """Ask for the first that has no verdict of this reviewer, who must want what it looks like: a decision."""
        if self._wanted.kinds is not None and CaseKind.DECISION.value not in self._wanted.kinds:
            return None
        more, values = self._of("policy", self._wanted.policies)
        found = self._rows(f" AND r.kind = '{CaseKind.GOLD}'{more} ORDER BY r.sequence LIMIT 1", values)
        return found[0] if found else None

    def _weary(self) -> bool:
        query = "SELECT COUNT(*) FROM review_claims WHERE reviewer = ? AND claimed_at >= ? AND heavy"
        return any(
            int(run(self._connection, query, (self._wanted.reviewer, since)).scalar() or 0) >= most
            for since, most in self._wanted.most_heavy
        )

    def _asked(self, policy: str, kind: str) -> bool:
        policies, kinds = self._wanted.policies, self._wanted.kinds
        return (policies is None or policy in policies) and (kinds is None or kind in kinds)

    def _narrowed(self) -> tuple[str, tuple[Any, ...]]:
        policies, first = self._of("policy", self._wanted.policies)
        kinds, second = self._of("kind", self._wanted.kinds)
        return f" AND r.kind != '{CaseKind.GOLD}'{policies}{kinds}", first + second

    def _of(self, column: str, names: tuple[str, ...] | None) -> tuple[str, tuple[Any, ...]]:
        if names is None:
            return "", ()
        return f" AND r.{column} IN ({', '.join('?' * len(names))})", names

    def _rows(self, more: str, values: tuple[Any, ...]) -> list[Waiting]:
        query = f"SELECT r.case_id, r.policy, r.kind, r.rank FROM review_cases r WHERE {self._where}{more}"  # noqa: S608  only constants
        return [Waiting(*row) for row in run(self._connection, query, self._values + values)]
