"""The desk: where people get the next case, give one back, and where appeals and known answers come in.

What they find goes to `settling.py`.

Not covered: posts that are isolated; their cases are for the designated person and never come here.
"""

import dataclasses
from collections.abc import Sequence

import msgspec

from sievert.enforcement.messages import messages_for
from sievert.enforcement.settled import appeal_note
from sievert.errors import CaseConflict, ExposureReached, InvalidField, NotFound
from sievert.pipeline.path import Parts
from sievert.review.appeals import appeal_against
from sievert.review.exposure import ExposureLimits
from sievert.review.order import Shares, by_order, expected_minutes
from sievert.schema.access import AuditNote
from sievert.schema.action import Action, ActionKind, CaseKind, CaseState
from sievert.schema.batch import Effects
from sievert.schema.clock import HOUR, SECOND, Micros
from sievert.schema.identity import keyed_id
from sievert.schema.limit import AccountLimit
from sievert.schema.review import Appeal, Claim, GoldAnswer, Settlement
from sievert.stores.activity.base import PostName
from sievert.stores.delayed import DelayedRemovals
from sievert.stores.reviews.base import CaseFile, ReviewStore, Wanted
from sievert.stores.standing import StandingActions

CLAIM_TIME: Micros = HOUR // 4
"""How long a reviewer has a case before it goes back to the others."""


APPEALABLE = (ActionKind.DEMOTE, ActionKind.REMOVE)
"""Kinds of action that an author can appeal against."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What the work of reviewers is made of; `serving.wiring` chooses the real parts."""

    parts: Parts
    reviews: ReviewStore
    standing: StandingActions
    key: bytes  # of the hashes that draw turns
    shares: Shares = dataclasses.field(default_factory=Shares)
    limits: ExposureLimits = dataclasses.field(default_factory=ExposureLimits)
    claim_time: Micros = CLAIM_TIME
    delayed: DelayedRemovals | None = None  # None where no removal waits for its time


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A case that a reviewer has now."""

    claim: Claim
    file: CaseFile


def claim_next(
    desk: Desk,
    reviewer: str,
    *,
    policies: Sequence[str] | None = None,
    kinds: Sequence[str] | None = None,
) -> Given | None:
    """Give a reviewer the case whose look prevents most per minute, or the one that is drawn; None if none waits.

    Raises:
        ExposureReached: they saw enough that is heavy, and nothing milder waits.
        StoreUnavailable: nobody has anything.
    """
    now = desk.parts.clock.now()
    most_heavy = desk.limits.at(now)
    wanted = Wanted(
        reviewer=reviewer,
        policies=None if policies is None else tuple(policies),
        kinds=None if kinds is None else tuple(kinds),
        most_heavy=most_heavy,
    )
    choose = by_order(expected_minutes(desk.reviews.paces()), desk.shares, desk.key)
    claim = desk.reviews.claim(wanted, choose, now=now, until=now + desk.claim_time)
    if claim is not None:
        return Given(claim=claim, file=desk.reviews.case(claim.case_id))
    for since, most in most_heavy:
        if any(one.reviewer == reviewer and one.heavy >= most for one in desk.reviews.workloads(since)):
            raise ExposureReached(desk.limits.reason(), remedy="Look at something else meanwhile.")
    return None


def comes_back(desk: Desk, reviewer: str) -> Micros:
    """Return when somebody who saw enough may have a heavy case again, to the second."""
    now = desk.parts.clock.now()
    ready = now
    for since, most in desk.limits.at(now):
        low, high = since, now + 1  # so many heavy ones from `low` on, fewer from `high` on
        if _heavy(desk, reviewer, since) < most:
            continue
        while high - low > SECOND:
            middle = (low + high) // 2
            low, high = (middle, high) if _heavy(desk, reviewer, middle) >= most else (low, middle)
        ready = max(ready, now + high - since)
    return ready


def _heavy(desk: Desk, reviewer: str, since: Micros) -> int:
    return next((one.heavy for one in desk.reviews.workloads(since) if one.reviewer == reviewer), 0)


def in_hand(desk: Desk, reviewer: str) -> list[Given]:
    """Return the cases that a reviewer has now, oldest first; with those on which their verdict is held."""
    now = desk.parts.clock.now()
    mine = [one for one in desk.reviews.claims() if one.reviewer == reviewer]
    running = [one for one in mine if one.held is not None or one.expires_at > now]
    return [Given(claim=one, file=desk.reviews.case(one.case_id)) for one in running]


def file_appeal(desk: Desk, action_id: str, *, by: str, statement: str, actor: str) -> Appeal:
    """File an appeal against an action, or a limit by its id; the same one again gives the same answer.

    Raises:
        NotFound: there is no such action or limit.
        InvalidField: nobody can appeal against what it is.
        CaseConflict: another appeal against it was filed, or it was taken back already.
        StoreUnavailable: nothing of it is durable.
    """
    action, stands = _contested(desk, action_id)
    now = desk.parts.clock.now()
    appeal, case = appeal_against(action, by=by, statement=statement, now=now)
    known = desk.reviews.appeal_against(action_id)
    if known is None:
        if not stands:
            raise CaseConflict(
                "The action was taken back already.",
                field="action_id",
                remedy="There is nothing left to appeal.",
            )
        messages = messages_for((), (case,)) if desk.parts.announce else ()
        notes = (appeal_note(appeal, "appeal.filed", actor=actor),)
        known = desk.reviews.file_appeal(appeal, Effects(cases=(case,), messages=messages, audit=notes))
    if (known.by, known.statement) != (by, statement):
        raise CaseConflict(
            f"There is another appeal against action {action_id}.",
            field="action_id",
            remedy="An action can be appealed against once.",
        )
    return known


def _contested(desk: Desk, name: str) -> tuple[Action | AccountLimit, bool]:
    """Return what an appeal is against, and whether it stands."""
    limiting = desk.parts.limiting
    limit = limiting.stores.limits.find(name) if limiting is not None else None
    if limit is not None:
        if not limit.decision_id:
            raise InvalidField(
                "The limit was imposed by an older release, which kept no post to judge it by.",
                field="action_id",
                remedy="Appeal against the removals that it rests on; with them it falls.",
            )
        return limit, limit.lifted_at is None
    state = desk.standing.known(name)
    if state.action.kind not in APPEALABLE:
        raise InvalidField(
            f"An action of kind {state.action.kind} cannot be appealed against here.",
            field="action_id",
            remedy="Appeals are against demote, remove, and limits of accounts.",
        )
    return state.action, state.stands


def withdrawn_note(answer: GoldAnswer, *, actor: str, because: str = "") -> AuditNote:
    """Return the line of the audit log about a known answer that is none any more, and the case that says otherwise."""
    return AuditNote(
        actor=actor,
        event="gold.withdrawn",
        subject=answer.case_id,
        details={"because": because} if because else {},
    )


def contradicts(later: Settlement, known: Settlement | GoldAnswer) -> bool:
    """Tell whether people found otherwise about a policy that both looked at."""
    both = set(later.judged) & set(known.judged)
    return bool(both & (set(later.violates) ^ set(known.violates)))


def add_known_answer(desk: Desk, case_id: str, *, actor: str) -> GoldAnswer:
    """Make a settled case one whose answer is known: it is asked again of others, who are measured by it.

    Raises:
        NotFound: there is no such case.
        CaseConflict: it is not settled, people found otherwise since, or it was a known answer and was withdrawn.
        StoreUnavailable: nothing of it is durable.
    """
    file = desk.reviews.case(case_id)
    if file.settlement is None:
        raise CaseConflict(
            f"Case {case_id[:64]!r} is not settled.",
            field="case_id",
            remedy="Only what people settled can be a known answer.",
        )
    name = PostName(file.case.platform, file.case.post_id)
    newest = desk.reviews.settled([name])[name][-1]
    if contradicts(newest, file.settlement):
        raise CaseConflict(
            f"What people found in case {case_id[:64]!r} did not hold: they found otherwise since.",
            field="case_id",
            remedy=f"Make the later case {newest.case_id} the known answer, if you are sure of it.",
        )
    now = desk.parts.clock.now()
    asked = msgspec.structs.replace(
        file.case,
        case_id=keyed_id("c", desk.parts.case_key, CaseKind.GOLD, case_id),
        kind=CaseKind.GOLD,
        state=CaseState.OPEN,
        opened_at=now,
        judges=1,
        about="",
    )
    if _was_withdrawn(desk, asked.case_id):
        raise CaseConflict(
            f"The known answer of case {case_id[:64]!r} was withdrawn.",
            field="case_id",
            remedy="Choose another case.",
        )
    answer = GoldAnswer(
        case_id=asked.case_id,
        violates=file.settlement.violates,
        judged=file.settlement.judged,
        added_at=now,
    )
    note = AuditNote(actor=actor, event="gold.added", subject=asked.case_id, details={"case": case_id})
    desk.reviews.add_gold(answer, Effects(cases=(asked,), audit=(note,)))
    return answer


def _was_withdrawn(desk: Desk, case_id: str) -> bool:
    try:
        return desk.reviews.case(case_id).gold is None
    except NotFound:
        return False


def withdraw_known_answer(desk: Desk, case_id: str, *, actor: str) -> GoldAnswer:
    """Let nobody be asked for a known answer any more, nor be measured by what they said to it.

    Raises:
        NotFound: there is no such known answer.
        StoreUnavailable: nothing of it is durable.
    """
    answer = desk.reviews.case(case_id).gold
    if answer is None:
        raise NotFound(
            f"Case {case_id[:64]!r} is no known answer.",
            field="case_id",
            remedy="Name the case_id that making it one returned; the audit log tells it (gold.added).",
        )
    desk.reviews.add(Effects(withdrawn=(case_id,), audit=(withdrawn_note(answer, actor=actor),)))
    return answer
