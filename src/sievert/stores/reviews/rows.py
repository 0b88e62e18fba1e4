"""Rows of `review_cases` and what hangs on them: found, joined, given out, closed, inside a transaction."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from sievert.schema.action import Case, CaseState
from sievert.schema.clock import Micros
from sievert.schema.review import Settlement
from sievert.stores.activity.base import PostName
from sievert.stores.reviews.base import by_post, names_needed, not_yours, unknown_case
from sievert.stores.tables import cases, review_cases, review_likenesses, review_settlements

_AT_ONCE = 400
"""Names a query; SQLite takes up to two parameters for each."""

_NEW = 2**62
"""A case that is not written yet stands behind all that are."""


def leads_of(connection: Connection, opened: Sequence[tuple[Case, Sequence[bytes]]]) -> list[str]:
    """Return for each new case, by its names, the unsettled case of its policy and platform that it is joined to.

    Empty: none; and then later ones of these may be joined to it.
    """
    held: dict[bytes, list[tuple[int, str, str, str]]] = {}  # by whom a name is held, the oldest first
    wanted = [*dict.fromkeys(name for _, names in opened for name in names)]
    for start in range(0, len(wanted), _AT_ONCE):
        query = (
            sa.select(
                review_likenesses.c.name,
                review_cases.c.sequence,
                review_cases.c.case_id,
                review_cases.c.platform,
                review_cases.c.policy,
            )
            .join(review_cases, review_cases.c.case_id == review_likenesses.c.case_id)
            .where(review_likenesses.c.name.in_(wanted[start : start + _AT_ONCE]))
        )
        for name, *holder in connection.execute(query.order_by(review_cases.c.sequence)):
            held.setdefault(name, []).append(tuple(holder))
    leads = []
    for number, (case, names) in enumerate(opened):
        mine = (case.case_id, case.platform, case.policy)
        different = dict.fromkeys(names)
        shared = Counter(one for name in different for one in held.get(name, ()) if one[2:] == mine[1:])
        found = (one[1] for one in sorted(shared) if shared[one] >= names_needed(names))
        leads.append(next(found, ""))
        if not leads[-1]:
            for name in different:
                held.setdefault(name, []).append((_NEW + number, *mine))
    return leads


def settle(connection: Connection, case_id: str, settlements: Sequence[Settlement]) -> None:
    """Close a case and those that are joined to it; whatever joined meanwhile waits by itself."""
    connection.execute(
        sa.insert(review_settlements),
        [
            {
                "case_id": one.case_id,
                "platform": one.platform,
                "post_id": one.post_id,
                "record": msgspec.json.encode(one),
            }
            for one in settlements
        ],
    )
    closed = [one.case_id for one in settlements]
    set_state(connection, closed, CaseState.SETTLED)
    connection.execute(
        sa.update(review_cases).where(review_cases.c.case_id.in_(closed)).values(state=CaseState.SETTLED)
    )
    let_joined_wait(connection, case_id)


def settlements_about(connection: Connection, posts: Sequence[PostName]) -> dict[PostName, list[Settlement]]:
    """Return the settlements about these posts, oldest first."""
    table = review_settlements
    records: list[bytes] = []
    for start in range(0, len(posts), _AT_ONCE):
        query = sa.select(table.c.record).where(
            sa.tuple_(table.c.platform, table.c.post_id).in_(posts[start : start + _AT_ONCE])
        )
        records += connection.execute(query.order_by(table.c.sequence)).scalars()
    return by_post(msgspec.json.decode(record, type=Settlement) for record in records)


def let_joined_wait(connection: Connection, case_id: str) -> None:
    """Nothing is joined to a case any more that is closed."""
    connection.execute(sa.delete(review_likenesses).where(review_likenesses.c.case_id == case_id))
    late = sa.select(review_cases.c.case_id).where(
        review_cases.c.lead == case_id, review_cases.c.state == CaseState.JOINED
    )
    open_again(connection, [*connection.execute(late).scalars()])


def let_go(connection: Connection, now: Micros) -> None:
    """End the claims that ran out."""
    query = sa.select(review_cases.c.case_id).where(review_cases.c.expires_at <= now)
    open_again(connection, [*connection.execute(query).scalars()])


def open_again(connection: Connection, case_ids: Sequence[str]) -> None:
    """Let cases wait, joined to none and with nobody."""
    for case_id in case_ids:
        change(
            connection,
            case_id,
            state=CaseState.OPEN,
            lead="",
            claim_id=None,
            reviewer=None,
            expires_at=None,
        )


def require_held(connection: Connection, case_id: str, reviewer: str) -> Any:
    """Return the row of a case that this reviewer has.

    Raises:
        CaseConflict: they do not have it.
        NotFound: there is no such case here.
    """
    row = row_of(connection, case_id)
    if row.state != CaseState.CLAIMED or row.reviewer != reviewer:
        raise not_yours(case_id, row.state)
    return row


def row_of(connection: Connection, case_id: str) -> Any:
    """Return the row of a case.

    Raises:
        NotFound: there is no such case here.
    """
    row = connection.execute(sa.select(review_cases).where(review_cases.c.case_id == case_id)).one_or_none()
    if row is None:
        raise unknown_case(case_id)
    return row


def change(connection: Connection, case_id: str, **values: object) -> None:
    """Set columns of a case; its state is told to the list of cases as well."""
    connection.execute(sa.update(review_cases).where(review_cases.c.case_id == case_id).values(**values))
    if "state" in values:
        set_state(connection, [case_id], CaseState(str(values["state"])))


def set_state(connection: Connection, case_ids: Sequence[str], state: CaseState) -> None:
    """Tell the list of cases how some of them stand."""
    connection.execute(sa.update(cases).where(cases.c.case_id.in_(case_ids)).values(state=state))
