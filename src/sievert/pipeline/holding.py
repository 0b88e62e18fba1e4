"""A verdict that can still be taken back: it is durable at once, and takes effect when its time has come.

People press the wrong key. What follows from a verdict (actions, messages, labels, the ledger, what counts
for authors and reporters) reaches others who cannot be asked to forget it. So a short wait comes before it,
and not a correction after it. Taking a verdict back is noted with what it said; the case is then with its
reviewer as before. It is the same for every kind of case, so that nothing tells a known answer.

Whose process dies meanwhile finds the verdict again: it takes effect after the start.

For the thread that walks the path, like `settling.py`.
"""

import contextlib
from collections.abc import Sequence

from sievert.errors import CaseConflict
from sievert.pipeline.desk import Desk
from sievert.pipeline.settling import give_verdict
from sievert.review.judging import given_before, held_by, verdict_on
from sievert.schema.access import AuditNote
from sievert.schema.batch import Effects
from sievert.schema.clock import Micros
from sievert.schema.review import HeldVerdict, Verdict
from sievert.stores.reviews.base import nothing_held

MOST_HELD = 120
"""A verdict can be taken back for so many seconds at most: authors and platforms wait for it."""


def hold_verdict(
    desk: Desk,
    case_id: str,
    reviewer: str,
    *,
    violates: Sequence[str],
    judged: Sequence[str],
    note: str = "",
    wait: Micros,
) -> tuple[Verdict, Micros | None]:
    """Take what a reviewer found, and let it wait; return it, and until when it can be taken back, if it can.

    The same again gets the same answer.

    Raises:
        CaseConflict: they do not have the case, or found something else before.
        InvalidField: the verdict does not fit the case.
        NotFound: there is no such case.
        StoreUnavailable: nothing of it is durable.
    """
    file = desk.reviews.case(case_id)
    known = given_before(file, reviewer, violates)
    if known is not None:
        return known, None
    now, held = desk.parts.clock.now(), held_by(file, reviewer)
    at = now if held is None else held.given_at
    verdict = verdict_on(file, reviewer=reviewer, violates=violates, judged=judged, now=at, note=note)
    if held is None:
        held = HeldVerdict(
            violates=verdict.violates, judged=verdict.judged, note=note, given_at=now, until=now + wait
        )
        desk.reviews.hold(case_id, reviewer, held)
    return verdict, held.until


def take_back_verdict(desk: Desk, case_id: str, reviewer: str) -> None:
    """Take back a verdict that did not take effect yet; its reviewer has the case again, with all its time.

    Raises:
        CaseConflict: there is none, or it took effect.
        NotFound: there is no such case.
        StoreUnavailable: nothing was taken back.
    """
    now, file = desk.parts.clock.now(), desk.reviews.case(case_id)
    held = held_by(file, reviewer)
    if held is None:
        raise nothing_held(case_id)
    asked = file.case
    note = AuditNote(
        actor=reviewer,
        event="verdict.taken_back",
        subject=f"{asked.platform}/{asked.post_id}/{asked.revision}",
        details={"case": case_id, "violates": ",".join(held.violates), "judged": ",".join(held.judged)},
    )
    effects = Effects(audit=(note,))
    desk.reviews.take_back(case_id, reviewer, effects, now=now, until=now + desk.claim_time)


def give_held(desk: Desk) -> int:
    """Let the verdicts whose time has come take effect; return how many did.

    Raises:
        StoreUnavailable: those that are left take effect the next time.
    """
    now, given = desk.parts.clock.now(), 0
    for claim in desk.reviews.claims():
        held = claim.held
        if held is None or held.until > now:
            continue
        # One that does not fit any more, as no rule here lets happen, must not keep the others waiting.
        with contextlib.suppress(CaseConflict):
            give_verdict(
                desk,
                claim.case_id,
                claim.reviewer,
                violates=held.violates,
                judged=held.judged,
                note=held.note,
                given_at=held.given_at,
            )
            given += 1
    return given
