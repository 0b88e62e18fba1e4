"""What the verdicts of a case come to: settled, another judge needed, or an adjudicator.

A case with one judge is settled by one verdict. With more, as many different people judge it, none of whom
is told of the others; if all find the same, that holds, else one more person adjudicates, and what that
person finds holds. Two verdicts are the same if they name the same violated policies among those that all
of them looked at.
"""

from collections.abc import Sequence

import msgspec

from sievert.errors import CaseConflict, InvalidField
from sievert.review.order import LONGEST_LOOK
from sievert.schema.action import Case, CaseKind, CaseState
from sievert.schema.clock import SECOND, Micros
from sievert.schema.identity import derived_id
from sievert.schema.review import HeldVerdict, Settlement, Verdict
from sievert.stores.reviews.base import CaseFile, held_already, not_yours


def verdict_on(
    file: CaseFile,
    *,
    reviewer: str,
    violates: Sequence[str],
    judged: Sequence[str],
    now: Micros,
    note: str = "",
) -> Verdict:
    """Return a reviewer's verdict on a case that they have.

    Whose time ran out may still give it, as long as nobody else has the case.

    Raises:
        CaseConflict: they do not have it.
        InvalidField: it does not judge the policy that asks, or finds what it did not judge.
    """
    case, claim = file.case, file.claim
    if case.policy not in judged:
        raise InvalidField(
            f"The case asks about {case.policy}, which is not judged.",
            field="judged",
            remedy="Name it among the judged policies.",
        )
    if not set(violates) <= set(judged):
        raise InvalidField(
            "A policy is violated that was not judged.", field="violates", remedy="Judge what you find."
        )
    if claim is None or claim.reviewer != reviewer:
        raise not_yours(case.case_id, case.state)
    return Verdict(
        verdict_id=derived_id("v", case.case_id, reviewer),
        case_id=case.case_id,
        reviewer=reviewer,
        violates=tuple(sorted(set(violates))),
        judged=tuple(sorted(set(judged))),
        given_at=now,
        seconds=min(max(0.0, (now - claim.claimed_at) / SECOND), LONGEST_LOOK),
        adjudicates=needs_adjudication(case, file.verdicts),
        note=note,
    )


def given_before(file: CaseFile, reviewer: str, violates: Sequence[str]) -> Verdict | None:
    """Return the verdict that this reviewer gave on the case before, if it says the same; None if they gave none.

    Raises:
        CaseConflict: they found something else then, also if that can still be taken back.
    """
    held = held_by(file, reviewer)
    if held is not None and set(held.violates) != set(violates):
        raise held_already(file.case.case_id)
    known = next((one for one in file.verdicts if one.reviewer == reviewer), None)
    if known is not None and set(known.violates) != set(violates):
        raise CaseConflict(
            f"You judged case {file.case.case_id} before, and found something else.",
            remedy="A verdict stands as it was given; what was settled can be appealed.",
            field="violates",
        )
    return known


def held_by(file: CaseFile, reviewer: str) -> HeldVerdict | None:
    """Return the verdict on a case that this reviewer can still take back, or None."""
    mine = file.claim is not None and file.claim.reviewer == reviewer
    return file.claim.held if mine and file.claim is not None else None


def is_blind(case: Case) -> bool:
    """Tell whether whoever judges must not be told what the machine or others found.

    So it is with audits, with an appeal, whose judge shall not lean on the first one, and where several
    people judge the same post. Of a known answer nothing may tell that it is one: it is shown as the case
    that it was.
    """
    return case.blind or case.judges > 1 or case.kind == CaseKind.APPEAL


def needs_adjudication(case: Case, verdicts: Sequence[Verdict]) -> bool:
    """Tell whether all judges have judged and do not agree."""
    return len(verdicts) == case.judges > 1 and not agree(verdicts)


def agree(verdicts: Sequence[Verdict]) -> bool:
    """Tell whether verdicts find the same, in what all of them judged."""
    common = set.intersection(*(set(one.judged) for one in verdicts))
    return len({frozenset(common.intersection(one.violates)) for one in verdicts}) == 1


def settled_by(file: CaseFile, verdict: Verdict, *, now: Micros) -> Settlement | None:
    """Return what a case comes to with one more verdict, or None if another person has to look.

    A known answer is never settled: it goes on asking others.
    """
    case, verdicts = file.case, (*file.verdicts, verdict)
    if case.kind == CaseKind.GOLD or len(verdicts) < case.judges:
        return None
    if verdict.adjudicates:
        judged = set(verdict.judged)
    elif agree(verdicts):
        judged = set.intersection(*(set(one.judged) for one in verdicts))
    else:
        return None
    return Settlement(
        case_id=case.case_id,
        kind=case.kind,
        about=case.about,
        decision_id=case.decision_id,
        platform=case.platform,
        post_id=case.post_id,
        revision=case.revision,
        policy=case.policy,
        violates=tuple(sorted(judged.intersection(verdict.violates))),
        judged=tuple(sorted(judged)),
        verdicts=tuple(one.verdict_id for one in verdicts),
        reviewer=verdict.reviewer,
        settled_at=now,
    )


def settled_with(lead: Settlement, joined: Case) -> Settlement:
    """Return what the case of a near-duplicate comes to: what its lead came to."""
    return msgspec.structs.replace(
        lead,
        case_id=joined.case_id,
        decision_id=joined.decision_id,
        post_id=joined.post_id,
        revision=joined.revision,
        lead=lead.case_id,
    )


def blinded(case: Case) -> Case:
    """Return a case as its judge may see it."""
    return msgspec.structs.replace(_untold(case), state=CaseState.CLAIMED)


def for_a_judge_to_be(case: Case) -> Case:
    """Return a case as somebody may read it who may yet judge it; once it is settled, whole."""
    return case if case.state in (CaseState.SETTLED, CaseState.WITHDRAWN) else _untold(case)


def _untold(case: Case) -> Case:
    """Return a case of which nothing tells that its answer is known; of a blind one no score, evidence or match."""
    kind = CaseKind.DECISION if case.kind == CaseKind.GOLD else case.kind
    # The id of an audit hangs on its place in the frame, and that on the score.
    about = case.about if case.kind == CaseKind.APPEAL else ""
    shown = msgspec.structs.replace(case, kind=kind, about=about)
    if not is_blind(case):
        return shown
    return msgspec.structs.replace(shown, probability=None, priority=0.0, spans=(), nearest=(), matches=())
