"""Reviews in the database; one writer at a time is what makes a claim exclusive, across processes too."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from sievert.schema.action import Case, CaseKind, CaseState
from sievert.schema.bank import MINORS_POLICY
from sievert.schema.batch import Effects
from sievert.schema.clock import Micros
from sievert.schema.review import Appeal, Claim, GoldAnswer, HeldVerdict, Settlement, Verdict
from sievert.stores.activity.base import PostName
from sievert.stores.database import Database
from sievert.stores.records import forget_texts_of
from sievert.stores.reviews.base import (
    WAITING,
    CaseFile,
    Choose,
    Pace,
    ReviewStore,
    Waits,
    Wanted,
    Workload,
    came_between,
    held_already,
    nothing_held,
    rank_of,
    unknown_appeal,
    unknown_case,
    with_more,
)
from sievert.stores.reviews.rows import (
    change,
    leads_of,
    let_go,
    let_joined_wait,
    open_again,
    require_held,
    row_of,
    set_state,
    settle,
    settlements_about,
)
from sievert.stores.reviews.waiting import SqlQueue
from sievert.stores.statements import insert, put_fact, run
from sievert.stores.tables import (
    cases,
    review_appeals,
    review_cases,
    review_claims,
    review_gold,
    review_judges,
    review_likenesses,
    review_settlements,
    review_verdicts,
)

_COUNTED = "settlements_counted"
_TOOK = (
    "INSERT INTO review_durations (policy, kind, verdicts, seconds) VALUES (?, ?, 1, ?)"
    " ON CONFLICT (policy, kind) DO UPDATE SET verdicts = review_durations.verdicts + 1,"
    " seconds = review_durations.seconds + excluded.seconds"
)

Apply = Callable[[Connection, Effects], None]
"""Writes what follows into the other stores, inside a transaction."""


class EmbeddedReviews(ReviewStore):
    """Keeps reviews in the database."""

    def __init__(self, database: Database, *, apply: Apply) -> None:
        """`apply` hands what verdicts set in motion to the other stores."""
        self._database = database
        self._apply = apply
        # A database's own waiting is not fair, or holds connections: threads of this process stand in line here.
        self._line = threading.Lock()

    def open(
        self, connection: Connection, opened: Sequence[Case], likenesses: Mapping[str, Sequence[bytes]]
    ) -> None:
        """Let cases wait, inside a transaction; one that is like an open case is joined to that."""
        named = [
            (case, likenesses.get(case.case_id, ()) if case.kind == CaseKind.DECISION else ())
            for case in opened
            if case.policy != MINORS_POLICY
        ]
        if not named:
            return
        leads = leads_of(connection, named)
        ranks = {case.case_id: rank_of(case) for case, _ in named}
        joined = [(case, lead) for (case, _), lead in zip(named, leads, strict=True) if lead]
        for case, lead in joined:
            if lead not in ranks:
                ranks[lead] = row_of(connection, lead).rank
            ranks[lead] = with_more(ranks[lead], case)
        new = {case.case_id for case, _ in named}
        connection.execute(
            sa.insert(review_cases),
            [
                {
                    "case_id": case.case_id,
                    "platform": case.platform,
                    "post_id": case.post_id,
                    "policy": case.policy,
                    "kind": case.kind,
                    "rank": ranks[case.case_id],
                    "heavy": case.heavy,
                    "state": CaseState.JOINED if lead else CaseState.OPEN,
                    "lead": lead,
                }
                for (case, _), lead in zip(named, leads, strict=True)
            ],
        )
        held = [
            {"name": name, "case_id": case.case_id}
            for (case, names), lead in zip(named, leads, strict=True)
            if not lead
            for name in dict.fromkeys(names)
        ]
        if held:
            connection.execute(sa.insert(review_likenesses), held)
        if joined:
            set_state(connection, [case.case_id for case, _ in joined], CaseState.JOINED)
        for lead in {lead for _, lead in joined} - new:
            change(connection, lead, rank=ranks[lead])

    def add(self, effects: Effects) -> None:
        """Run one transaction."""
        with self._line, self._database.writing() as connection:
            self._apply(connection, effects)

    def claim(self, wanted: Wanted, choose: Choose, *, now: Micros, until: Micros) -> Claim | None:
        """Choose and mark in one transaction, which begins with the write lock."""
        with self._line, self._database.writing() as connection:
            let_go(connection, now)
            queue = SqlQueue(connection, wanted)
            choice = choose(queue)
            if choice is None:
                return None
            claim = Claim(
                claim_id=queue.number,
                case_id=choice.case_id,
                reviewer=wanted.reviewer,
                claimed_at=now,
                expires_at=until,
                turn=choice.turn,
                chance=choice.chance,
                heavy=row_of(connection, choice.case_id).heavy,
            )
            connection.execute(
                sa.insert(review_claims).values(
                    claim_id=claim.claim_id,
                    case_id=claim.case_id,
                    reviewer=claim.reviewer,
                    claimed_at=now,
                    heavy=claim.heavy,
                    record=msgspec.json.encode(claim),
                )
            )
            change(
                connection,
                claim.case_id,
                state=CaseState.CLAIMED,
                claim_id=claim.claim_id,
                reviewer=claim.reviewer,
                expires_at=until,
            )
        return claim

    def release(self, case_id: str, reviewer: str) -> None:
        """Clear the mark."""
        with self._line, self._database.writing() as connection:
            row = require_held(connection, case_id, reviewer)
            if _claim(connection, row.claim_id).held is not None:
                raise held_already(case_id)
            open_again(connection, [case_id])

    def claims(self) -> list[Claim]:
        """Query by state."""
        query = (
            sa.select(review_claims.c.record)
            .join(review_cases, review_cases.c.claim_id == review_claims.c.claim_id)
            .where(review_cases.c.state == CaseState.CLAIMED)
            .order_by(review_claims.c.claim_id)
        )
        with self._database.reading() as connection:
            records = connection.execute(query).scalars().all()
        return [msgspec.json.decode(record, type=Claim) for record in records]

    def hold(self, case_id: str, reviewer: str, held: HeldVerdict) -> None:
        """Write it into the claim, which has no end then."""
        with self._line, self._database.writing() as connection:
            claim = _claim(connection, require_held(connection, case_id, reviewer).claim_id)
            if claim.held is not None:
                raise held_already(case_id)
            _write_claim(connection, msgspec.structs.replace(claim, held=held))
            change(connection, case_id, expires_at=None)

    def take_back(self, case_id: str, reviewer: str, effects: Effects, *, now: Micros, until: Micros) -> None:
        """Take it out of the claim, which ends again."""
        with self._line, self._database.writing() as connection:
            row = row_of(connection, case_id)
            mine = row.state == CaseState.CLAIMED and row.reviewer == reviewer
            claim = _claim(connection, row.claim_id) if mine else None
            if claim is None or claim.held is None or claim.held.until <= now:
                raise nothing_held(case_id)
            _write_claim(connection, msgspec.structs.replace(claim, held=None, expires_at=until))
            change(connection, case_id, expires_at=until)
            self._apply(connection, effects)

    def judge(
        self,
        verdict: Verdict,
        *,
        before: int,
        settlements: Sequence[Settlement] = (),
        effects: Effects = Effects(),  # noqa: B008  frozen, and never written to
        appeal: Appeal | None = None,
    ) -> None:
        """Check and write in one transaction."""
        case_id = verdict.case_id
        with self._line, self._database.writing() as connection:
            row = require_held(connection, case_id, verdict.reviewer)
            if len(_verdicts(connection, case_id)) != before:
                raise came_between(case_id)
            connection.execute(
                sa.insert(review_verdicts).values(
                    verdict_id=verdict.verdict_id,
                    case_id=case_id,
                    reviewer=verdict.reviewer,
                    record=msgspec.json.encode(verdict),
                )
            )
            seen = {(row.platform, row.post_id), *((one.platform, one.post_id) for one in settlements)}
            # A known answer asks everybody: would that count, nobody could audit the post, or hear an appeal.
            for platform, post_id in seen if row.kind != CaseKind.GOLD else ():
                values = {"platform": platform, "post_id": post_id, "reviewer": verdict.reviewer}
                connection.execute(
                    insert(connection, review_judges).values(**values).on_conflict_do_nothing()
                )
            run(connection, _TOOK, (row.policy, row.kind, verdict.seconds))
            open_again(connection, [case_id])
            if settlements:
                settle(connection, case_id, settlements)
            if appeal is not None:
                changed = sa.update(review_appeals).where(review_appeals.c.appeal_id == appeal.appeal_id)
                connection.execute(changed.values(record=msgspec.json.encode(appeal)))
            self._apply(connection, effects)

    def withdraw(self, platform: str, post_id: str) -> None:
        """Close its cases, and write its labels anew without their texts."""
        query = sa.select(review_cases.c.case_id).where(
            review_cases.c.platform == platform,
            review_cases.c.post_id == post_id,
            review_cases.c.state != CaseState.SETTLED,
        )
        with self._line, self._database.writing() as connection:
            for case_id in connection.execute(query).scalars().all():
                open_again(connection, [case_id])
                change(connection, case_id, state=CaseState.WITHDRAWN)
                let_joined_wait(connection, case_id)
            forget_texts_of(connection, platform, post_id)

    def file_appeal(self, appeal: Appeal, effects: Effects) -> Appeal:
        """Look and write in one transaction."""
        known = sa.select(review_appeals.c.record).where(review_appeals.c.action_id == appeal.action_id)
        with self._line, self._database.writing() as connection:
            record = connection.execute(known).scalar()
            if record is not None:
                return msgspec.json.decode(record, type=Appeal)
            connection.execute(
                sa.insert(review_appeals).values(
                    appeal_id=appeal.appeal_id,
                    action_id=appeal.action_id,
                    record=msgspec.json.encode(appeal),
                )
            )
            self._apply(connection, effects)
        return appeal

    def add_gold(self, answer: GoldAnswer, effects: Effects) -> None:
        """Insert it unless it is there."""
        known = sa.select(review_gold.c.case_id).where(review_gold.c.case_id == answer.case_id)
        with self._line, self._database.writing() as connection:
            if connection.execute(known).scalar() is not None:
                return
            connection.execute(
                sa.insert(review_gold).values(case_id=answer.case_id, record=msgspec.json.encode(answer))
            )
            self._apply(connection, effects)

    def drop_gold(self, connection: Connection, case_ids: Sequence[str]) -> None:
        """Delete answers and close their cases, inside a transaction."""
        for case_id in case_ids:
            connection.execute(sa.delete(review_gold).where(review_gold.c.case_id == case_id))
            open_again(connection, [case_id])
            change(connection, case_id, state=CaseState.WITHDRAWN)

    def gold_about(self, platform: str, post_id: str) -> list[GoldAnswer]:
        """Join known answers with their cases."""
        query = (
            sa.select(review_gold.c.record)
            .join(review_cases, review_cases.c.case_id == review_gold.c.case_id)
            .where(review_cases.c.platform == platform, review_cases.c.post_id == post_id)
            .order_by(review_cases.c.sequence)
        )
        with self._database.reading() as connection:
            records = connection.execute(query).scalars().all()
        return [msgspec.json.decode(record, type=GoldAnswer) for record in records]

    def case(self, case_id: str) -> CaseFile:
        """Query all tables in one state."""
        with self._database.reading() as connection:
            row = row_of(connection, case_id)
            claim = sa.select(review_claims.c.record).where(review_claims.c.claim_id == row.claim_id)
            settled = sa.select(review_settlements.c.record).where(review_settlements.c.case_id == case_id)
            gold = sa.select(review_gold.c.record).where(review_gold.c.case_id == case_id)
            joined = sa.select(review_cases.c.case_id).where(
                review_cases.c.lead == case_id, review_cases.c.state == CaseState.JOINED
            )
            return CaseFile(
                case=_case(connection, case_id, row.state),
                claim=_decoded(connection.execute(claim).scalar(), Claim),
                verdicts=_verdicts(connection, case_id),
                settlement=_decoded(connection.execute(settled).scalar(), Settlement),
                gold=_decoded(connection.execute(gold).scalar(), GoldAnswer),
                joined=tuple(
                    _case(connection, one, CaseState.JOINED)
                    for one in connection.execute(joined.order_by(review_cases.c.sequence)).scalars().all()
                ),
            )

    def appeal(self, appeal_id: str) -> Appeal:
        """Query by id."""
        query = sa.select(review_appeals.c.record).where(review_appeals.c.appeal_id == appeal_id)
        with self._database.reading() as connection:
            record = connection.execute(query).scalar()
        if record is None:
            raise unknown_appeal(appeal_id)
        return msgspec.json.decode(record, type=Appeal)

    def appeal_against(self, action_id: str) -> Appeal | None:
        """Query by action."""
        query = sa.select(review_appeals.c.record).where(review_appeals.c.action_id == action_id)
        with self._database.reading() as connection:
            return _decoded(connection.execute(query).scalar(), Appeal)  # type: ignore[no-any-return]

    def settlements(self, *, after: int = 0, limit: int = 1000) -> list[tuple[int, Settlement]]:
        """Query by sequence."""
        table = review_settlements
        query = sa.select(table.c.sequence, table.c.record).where(table.c.sequence > after)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(table.c.sequence).limit(limit)).all()
        return [(number, msgspec.json.decode(record, type=Settlement)) for number, record in rows]

    def settled(self, posts: Sequence[PostName]) -> dict[PostName, list[Settlement]]:
        """Query by post."""
        with self._database.reading() as connection:
            return settlements_about(connection, posts)

    def waits(self) -> list[Waits]:
        """Group in the database."""
        query = (
            sa.select(
                review_cases.c.policy,
                review_cases.c.kind,
                review_cases.c.state,
                sa.func.count(),
                sa.func.min(cases.c.at),
            )
            .join(cases, cases.c.case_id == review_cases.c.case_id)
            .where(review_cases.c.state.in_(WAITING), review_cases.c.kind != CaseKind.GOLD)
            .group_by(review_cases.c.policy, review_cases.c.kind, review_cases.c.state)
            .order_by(review_cases.c.policy, review_cases.c.kind, review_cases.c.state)
        )
        with self._database.reading() as connection:
            return [Waits(*row) for row in connection.execute(query)]

    def paces(self) -> list[Pace]:
        """Read what verdicts added up."""
        query = "SELECT policy, kind, verdicts, seconds FROM review_durations ORDER BY policy, kind"
        with self._database.reading() as connection:
            return [Pace(*row) for row in run(connection, query)]

    def workloads(self, since: Micros) -> list[Workload]:
        """Count claims."""
        query = (
            "SELECT reviewer, COUNT(*), SUM(CASE WHEN heavy THEN 1 ELSE 0 END) FROM review_claims WHERE claimed_at >= ?"
            " GROUP BY reviewer ORDER BY reviewer"
        )
        with self._database.reading() as connection:
            return [Workload(*row) for row in run(connection, query, (since,))]

    def marks(self) -> list[tuple[Verdict, GoldAnswer]]:
        """Join verdicts with known answers."""
        query = (
            sa.select(review_verdicts.c.record, review_gold.c.record)
            .join(review_gold, review_gold.c.case_id == review_verdicts.c.case_id)
            .order_by(review_verdicts.c.sequence)
        )
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        return [
            (msgspec.json.decode(given, type=Verdict), msgspec.json.decode(known, type=GoldAnswer))
            for given, known in rows
        ]

    def counted(self) -> int:
        """Read the number."""
        query = "SELECT value FROM facts WHERE name = 'settlements_counted'"
        with self._database.reading() as connection:
            return int(run(connection, query).scalar() or 0)

    def set_counted(self, number: int) -> None:
        """Write the number."""
        with self._database.writing() as connection:
            put_fact(connection, _COUNTED, str(number))


def _claim(connection: Connection, claim_id: int) -> Claim:
    query = sa.select(review_claims.c.record).where(review_claims.c.claim_id == claim_id)
    return msgspec.json.decode(connection.execute(query).scalar_one(), type=Claim)


def _write_claim(connection: Connection, claim: Claim) -> None:
    update = sa.update(review_claims).where(review_claims.c.claim_id == claim.claim_id)
    connection.execute(update.values(record=msgspec.json.encode(claim)))


def _case(connection: Connection, case_id: str, state: str) -> Case:
    record = connection.execute(sa.select(cases.c.record).where(cases.c.case_id == case_id)).scalar()
    if record is None:
        raise unknown_case(case_id)
    return msgspec.structs.replace(msgspec.json.decode(record, type=Case), state=state)


def _verdicts(connection: Connection, case_id: str) -> tuple[Verdict, ...]:
    query = sa.select(review_verdicts.c.record).where(review_verdicts.c.case_id == case_id)
    records = connection.execute(query.order_by(review_verdicts.c.sequence)).scalars().all()
    return tuple(msgspec.json.decode(record, type=Verdict) for record in records)


def _decoded(record: bytes | None, kind: type[Any]) -> Any:
    return None if record is None else msgspec.json.decode(record, type=kind)
