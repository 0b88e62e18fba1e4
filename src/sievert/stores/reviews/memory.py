"""The memory twin: reviews in dictionaries, behind one lock."""

import dataclasses
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from sievert.schema.action import Case, CaseKind, CaseState
from sievert.schema.bank import MINORS_POLICY
from sievert.schema.batch import Effects
from sievert.schema.clock import Micros
from sievert.schema.review import Appeal, Claim, GoldAnswer, HeldVerdict, Settlement, Verdict
from sievert.stores.activity.base import PostName
from sievert.stores.reviews.base import (
    WAITING,
    CaseFile,
    Choose,
    Pace,
    ReviewStore,
    Waiting,
    Waits,
    Wanted,
    Workload,
    by_post,
    came_between,
    held_already,
    names_needed,
    not_yours,
    nothing_held,
    rank_of,
    unknown_appeal,
    unknown_case,
    with_more,
)


@dataclasses.dataclass(slots=True)
class _Row:
    case: Case
    rank: float
    names: frozenset[bytes] = frozenset()
    state: CaseState = CaseState.OPEN
    lead: str = ""
    claim: Claim | None = None


class MemoryReviews(ReviewStore):
    """Keeps reviews until the process ends."""

    def __init__(
        self,
        *,
        apply: Callable[[Effects], None],
        show: Callable[[str, str], None],
        forget_text: Callable[[str, str], None],
    ) -> None:
        """`apply` hands what follows to the other memory stores.

        `show` tells them a case's state, `forget_text` that labels of a post lose theirs.
        """
        self._forget_text = forget_text
        self._apply = apply
        self._show = show
        self._lock = threading.RLock()
        self._rows: dict[str, _Row] = {}
        self._claims: list[Claim] = []
        self._verdicts: list[Verdict] = []
        self._judges: set[tuple[str, str, str]] = set()
        self._settlements: list[Settlement] = []
        self._appeals: dict[str, Appeal] = {}
        self._gold: dict[str, GoldAnswer] = {}
        self._paces: dict[tuple[str, str], Pace] = {}
        self._counted = 0

    def open(self, opened: Sequence[Case], likenesses: Mapping[str, Sequence[bytes]]) -> None:
        """Put cases in; one that is like an open case is joined to that."""
        with self._lock:
            for case in opened:
                if case.policy != MINORS_POLICY:
                    names = likenesses.get(case.case_id, ()) if case.kind == CaseKind.DECISION else ()
                    self._open(case, names)

    def add(self, effects: Effects) -> None:
        """Hand them to the other stores."""
        with self._lock:
            self._apply(effects)

    def claim(self, wanted: Wanted, choose: Choose, *, now: Micros, until: Micros) -> Claim | None:
        """Choose and mark, behind the lock."""
        with self._lock:
            for row in self._rows.values():
                if row.claim is not None and row.claim.expires_at <= now and row.claim.held is None:
                    self._set(row, CaseState.OPEN)
            queue = _MemoryQueue(self, wanted)
            choice = choose(queue)
            if choice is None:
                return None
            row = self._row(choice.case_id)
            claim = Claim(
                claim_id=queue.number,
                case_id=choice.case_id,
                reviewer=wanted.reviewer,
                claimed_at=now,
                expires_at=until,
                turn=choice.turn,
                chance=choice.chance,
                heavy=row.case.heavy,
            )
            self._claims.append(claim)
            self._set(row, CaseState.CLAIMED, claim)
            return claim

    def release(self, case_id: str, reviewer: str) -> None:
        """Clear the mark."""
        with self._lock:
            row = self._held(case_id, reviewer)
            if row.claim is not None and row.claim.held is not None:
                raise held_already(case_id)
            self._set(row, CaseState.OPEN)

    def claims(self) -> list[Claim]:
        """Walk the rows."""
        with self._lock:
            found = [row.claim for row in self._rows.values() if row.claim is not None]
            return sorted(found, key=lambda one: one.claim_id)

    def hold(self, case_id: str, reviewer: str, held: HeldVerdict) -> None:
        """Put it in the claim."""
        with self._lock:
            row = self._held(case_id, reviewer)
            if row.claim is None or row.claim.held is not None:
                raise held_already(case_id)
            row.claim = msgspec.structs.replace(row.claim, held=held)

    def take_back(self, case_id: str, reviewer: str, effects: Effects, *, now: Micros, until: Micros) -> None:
        """Take it out of the claim."""
        with self._lock:
            claim = self._row(case_id).claim
            if claim is None or claim.reviewer != reviewer or claim.held is None or claim.held.until <= now:
                raise nothing_held(case_id)
            self._apply(effects)
            self._row(case_id).claim = msgspec.structs.replace(claim, held=None, expires_at=until)

    def judge(
        self,
        verdict: Verdict,
        *,
        before: int,
        settlements: Sequence[Settlement] = (),
        effects: Effects = Effects(),  # noqa: B008  frozen, and never written to
        appeal: Appeal | None = None,
    ) -> None:
        """Check, then write."""
        with self._lock:
            row = self._held(verdict.case_id, verdict.reviewer)
            if len(self._of(verdict.case_id)) != before:
                raise came_between(verdict.case_id)
            self._apply(effects)
            self._verdicts.append(verdict)
            if row.case.kind != CaseKind.GOLD:  # it asks everybody: nobody could audit the post any more
                self._judges.add((row.case.platform, row.case.post_id, verdict.reviewer))
            self._judges |= {(one.platform, one.post_id, verdict.reviewer) for one in settlements}
            known = self._paces.get(
                (row.case.policy, row.case.kind), Pace(row.case.policy, row.case.kind, 0, 0.0)
            )
            self._paces[known[:2]] = known._replace(
                verdicts=known.verdicts + 1, seconds=known.seconds + verdict.seconds
            )
            self._set(row, CaseState.OPEN)
            for one in settlements:
                self._settlements.append(one)
                self._set(self._row(one.case_id), CaseState.SETTLED)
            if settlements:
                for late in self._joined(verdict.case_id):
                    late.lead = ""
                    self._set(late, CaseState.OPEN)
            if appeal is not None:
                self._appeals[appeal.appeal_id] = appeal

    def withdraw(self, platform: str, post_id: str) -> None:
        """Close its cases."""
        with self._lock:
            for case_id, row in self._rows.items():
                about = (row.case.platform, row.case.post_id) == (platform, post_id)
                if about and row.state != CaseState.SETTLED:
                    row.lead, row.names = "", frozenset()
                    self._set(row, CaseState.WITHDRAWN)
                    for late in self._joined(case_id):
                        late.lead = ""
                        self._set(late, CaseState.OPEN)
            self._forget_text(platform, post_id)

    def file_appeal(self, appeal: Appeal, effects: Effects) -> Appeal:
        """Look, then write."""
        with self._lock:
            for known in self._appeals.values():
                if known.action_id == appeal.action_id:
                    return known
            self._apply(effects)
            self._appeals[appeal.appeal_id] = appeal
            return appeal

    def add_gold(self, answer: GoldAnswer, effects: Effects) -> None:
        """Put it in unless it is there."""
        with self._lock:
            if answer.case_id not in self._gold:
                self._apply(effects)
                self._gold[answer.case_id] = answer

    def drop_gold(self, case_ids: Sequence[str]) -> None:
        """Take answers out; nobody is asked for them."""
        with self._lock:
            for case_id in case_ids:
                if self._gold.pop(case_id, None) is not None:
                    self._set(self._row(case_id), CaseState.WITHDRAWN)

    def gold_about(self, platform: str, post_id: str) -> list[GoldAnswer]:
        """Walk the answers."""
        with self._lock:
            cases = {name: self._row(name).case for name in self._gold}
            return [
                self._gold[name]
                for name, one in cases.items()
                if (one.platform, one.post_id) == (platform, post_id)
            ]

    def case(self, case_id: str) -> CaseFile:
        """Look everything up."""
        with self._lock:
            row = self._row(case_id)
            return CaseFile(
                case=_shown(row),
                claim=row.claim,
                verdicts=tuple(self._of(case_id)),
                settlement=next((one for one in self._settlements if one.case_id == case_id), None),
                gold=self._gold.get(case_id),
                joined=tuple(_shown(one) for one in self._joined(case_id)),
            )

    def appeal(self, appeal_id: str) -> Appeal:
        """Look it up."""
        if appeal_id not in self._appeals:
            raise unknown_appeal(appeal_id)
        return self._appeals[appeal_id]

    def appeal_against(self, action_id: str) -> Appeal | None:
        """Walk the appeals."""
        return next((one for one in self._appeals.values() if one.action_id == action_id), None)

    def settlements(self, *, after: int = 0, limit: int = 1000) -> list[tuple[int, Settlement]]:
        """Number the list."""
        return [*enumerate(self._settlements, start=1)][after : after + limit]

    def settled(self, posts: Sequence[PostName]) -> dict[PostName, list[Settlement]]:
        """Walk the list."""
        return by_post(one for one in self._settlements if (one.platform, one.post_id) in {*posts})

    def waits(self) -> list[Waits]:
        """Count rows."""
        found: dict[tuple[str, str, str], list[Micros]] = {}
        for row in self._rows.values():
            if row.state in WAITING and row.case.kind != CaseKind.GOLD:
                key = (row.case.policy, row.case.kind, row.state.value)
                found.setdefault(key, []).append(row.case.opened_at)
        return [Waits(*key, len(times), min(times)) for key, times in sorted(found.items())]

    def paces(self) -> list[Pace]:
        """Return the values."""
        return sorted(self._paces.values())

    def workloads(self, since: Micros) -> list[Workload]:
        """Count claims."""
        late = [one for one in self._claims if one.claimed_at >= since]
        all_of = Counter(one.reviewer for one in late)
        heavy = Counter(one.reviewer for one in late if one.heavy)
        return [Workload(name, all_of[name], heavy[name]) for name in sorted(all_of)]

    def marks(self) -> list[tuple[Verdict, GoldAnswer]]:
        """Walk the list."""
        return [(one, self._gold[one.case_id]) for one in self._verdicts if one.case_id in self._gold]

    def counted(self) -> int:
        """Return the number."""
        return self._counted

    def set_counted(self, number: int) -> None:
        """Set the number."""
        self._counted = number

    def permitted(self, wanted: Wanted, *, gold: bool) -> list[_Row]:
        """Return what a reviewer may have, in the order in which it came."""
        weary = any(
            sum(
                one.heavy and one.claimed_at >= since
                for one in self._claims
                if one.reviewer == wanted.reviewer
            )
            >= most
            for since, most in wanted.most_heavy
        )
        return [
            row
            for row in self._rows.values()
            if row.state == CaseState.OPEN
            and (row.case.kind == CaseKind.GOLD) == gold
            and (wanted.policies is None or row.case.policy in wanted.policies)
            # A known answer is asked as any decision is, and of nobody who asks for other kinds.
            and (wanted.kinds is None or (CaseKind.DECISION if gold else row.case.kind) in wanted.kinds)
            and not (weary and row.case.heavy)
            and all(one.reviewer != wanted.reviewer for one in self._of(row.case.case_id))
            and (
                row.case.kind in (CaseKind.DECISION, CaseKind.GOLD)
                or (row.case.platform, row.case.post_id, wanted.reviewer) not in self._judges
            )
        ]

    @property
    def next_claim(self) -> int:
        """Return the number of the next claim."""
        return len(self._claims) + 1

    def _open(self, case: Case, names: Sequence[bytes]) -> None:
        row = _Row(case=case, rank=rank_of(case), names=frozenset(names))
        for lead_id, lead in self._rows.items():
            if (
                names
                and lead.state in (CaseState.OPEN, CaseState.CLAIMED)
                and (lead.case.platform, lead.case.policy) == (case.platform, case.policy)
                and len(row.names & lead.names) >= names_needed(names)
            ):
                row.lead, row.names = lead_id, frozenset()
                lead.rank = with_more(lead.rank, case)
                break
        self._rows[case.case_id] = row
        if row.lead:
            self._set(row, CaseState.JOINED)

    def _set(self, row: _Row, state: CaseState, claim: Claim | None = None) -> None:
        row.state, row.claim = state, claim
        self._show(row.case.case_id, state)

    def _row(self, case_id: str) -> _Row:
        if case_id not in self._rows:
            raise unknown_case(case_id)
        return self._rows[case_id]

    def _held(self, case_id: str, reviewer: str) -> _Row:
        row = self._row(case_id)
        if row.claim is None or row.claim.reviewer != reviewer:
            raise not_yours(case_id, row.state)
        return row

    def _of(self, case_id: str) -> list[Verdict]:
        return [one for one in self._verdicts if one.case_id == case_id]

    def _joined(self, case_id: str) -> Iterable[_Row]:
        return [row for row in self._rows.values() if row.lead == case_id and row.state == CaseState.JOINED]


class _MemoryQueue:
    """Looks at the dictionaries with the eyes of a reviewer."""

    def __init__(self, store: MemoryReviews, wanted: Wanted) -> None:
        self.number = store.next_claim
        self._rows = store.permitted(wanted, gold=False)
        self._gold = store.permitted(wanted, gold=True)

    def best(self) -> Sequence[Waiting]:
        """Take the first of each group."""
        found: dict[tuple[str, str], Waiting] = {}
        for one in map(_waiting, self._rows):
            known = found.get((one.policy, one.kind))
            if known is None or one.rank > known.rank:
                found[one.policy, one.kind] = one
        return [*found.values()]

    def count(self) -> int:
        """Count the list."""
        return len(self._rows)

    def at(self, place: int) -> Waiting:
        """Take it from the list."""
        return _waiting(self._rows[place])

    def gold(self) -> Waiting | None:
        """Take the first."""
        return _waiting(self._gold[0]) if self._gold else None


def _waiting(row: _Row) -> Waiting:
    return Waiting(row.case.case_id, row.case.policy, row.case.kind, row.rank)


def _shown(row: _Row) -> Case:
    return msgspec.structs.replace(row.case, state=row.state)
