"""The desk, as a page: a case is claimed, looked at, judged or given back, and a verdict taken back in time.

All of it goes by plain forms; the same functions answer the API (`reviews.py`).
"""

from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, QueryParameter

from sievert.errors import CaseConflict, ExposureReached, NotFound
from sievert.pipeline.desk import Given, claim_next, comes_back, in_hand
from sievert.pipeline.showing import CaseGiven
from sievert.schema.action import CaseKind
from sievert.schema.policy import Policy
from sievert.serving.callers import PAGE, caller_of
from sievert.serving.doors import Doors
from sievert.serving.forms import Form, form_of
from sievert.serving.pages import page, see, with_query
from sievert.serving.routes.posts import AnyRequest, TheDoors
from sievert.serving.routes.reviews import (
    NewVerdict,
    in_hands_of,
    judged,
    reviewer_of,
    taken_back,
)

WORK = "/work"
OPTIONS = {"scope": "review:work", PAGE: True}

KINDS = {
    CaseKind.DECISION: "a post to look at",
    CaseKind.AUDIT: "an audit",
    CaseKind.APPEAL: "an appeal",
    CaseKind.MEASUREMENT: "a measurement",
}
"""What asks, in words; a known answer looks like a decision, and what is audited may be removed or not."""

Filter = Annotated[str, QueryParameter(max_length=64)]


class Desk(msgspec.Struct, frozen=True, kw_only=True):
    """What a reviewer has: cases to judge, and verdicts that can still be taken back, the newest first."""

    open: list[CaseGiven]
    held: list[CaseGiven]


@get(WORK, opt=OPTIONS, include_in_schema=False)
async def work_page(
    request: AnyRequest,
    doors: TheDoors,
    policy: Filter = "",
    kind: Filter = "",
    done: Annotated[str, QueryParameter(max_length=20)] = "",
) -> Response[bytes]:
    """Show what somebody has, and let them claim the next case."""
    return await _desk(request, doors, policy=policy, kind=kind, done=done)


@post(f"{WORK}/claim", opt=OPTIONS, include_in_schema=False)
async def claim(request: AnyRequest, doors: TheDoors) -> Response[bytes]:
    """Give out the next case; whoever has one gets that one again."""
    form = await form_of(request)
    return await _next(request, doors, form)


@get(WORK + "/cases/{case_id:str}", opt=OPTIONS, include_in_schema=False)
async def case_page(
    request: AnyRequest,
    doors: TheDoors,
    case_id: FromPath[str],
    *,
    policy: Filter = "",
    kind: Filter = "",
    reveal: Annotated[str, QueryParameter(max_length=3)] = "",
) -> Response[bytes]:
    """Show a case that somebody has."""
    plainly = bool(reveal) and caller_of(request).may("media:reveal")
    return await _case(request, doors, case_id, policy=policy, kind=kind, reveal=plainly)


async def _case(
    request: AnyRequest,
    doors: Doors,
    case_id: str,
    *,
    policy: str,
    kind: str,
    reveal: bool = False,
    note: str = "",
    refused: str = "",
) -> Response[bytes]:
    """Show a case; if a verdict was refused, with why and with what was written beside it."""
    who = reviewer_of(request)
    desk = await doors.worker.run(lambda: _desk_of(doors, who))
    given = next((one for one in desk.open if one.case.case_id == case_id), None)
    if given is None:
        return await _desk(request, doors, policy=policy, kind=kind, refused=_not_in_hand(), status_code=409)
    return page(
        request,
        "case.html",
        status_code=409 if refused else 200,
        given=given,
        desk=desk,
        now=doors.clock.now(),
        kinds=KINDS,
        asked=doors.parts.policies.named(given.case.policy),
        policies=_choices(doors, given.case.policy),
        policy=policy,
        kind=kind,
        reveal=reveal,
        note=note,
        refused=refused,
        hold_seconds=doors.settings.undo_seconds,
    )


@post(WORK + "/cases/{case_id:str}/verdict", opt=OPTIONS, include_in_schema=False)
async def verdict(request: AnyRequest, doors: TheDoors, case_id: FromPath[str]) -> Response[bytes]:
    """Take a verdict, and give the next case."""
    form, who = await form_of(request), reviewer_of(request)
    violates = () if form.text("finding") == "none" else form.all("violates")
    if form.text("finding") != "none" and not violates:
        return await _case(
            request,
            doors,
            case_id,
            policy=form.text("policy"),
            kind=form.text("kind"),
            note=form.text("note")[:2000],
            refused="Tick what the post violates, or say that it violates nothing.",
        )
    said = NewVerdict(
        violates=violates, note=form.text("note")[:2000], hold_seconds=doors.settings.undo_seconds
    )
    try:
        await doors.worker.run(lambda: judged(doors, who, case_id, said))
    except (CaseConflict, NotFound) as error:
        return await _refused(request, doors, form, f"{error.what} {error.remedy}")
    doors.nudge()
    return await _next(request, doors, form)


@post(WORK + "/cases/{case_id:str}/release", opt=OPTIONS, include_in_schema=False)
async def release(request: AnyRequest, doors: TheDoors, case_id: FromPath[str]) -> Response[bytes]:
    """Take a case back."""
    form, who = await form_of(request), reviewer_of(request)
    try:
        await doors.worker.run(lambda: doors.desk.reviews.release(case_id, who))
    except (CaseConflict, NotFound) as error:
        return await _refused(request, doors, form, f"{error.what} {error.remedy}")
    return see(_back(form, done="released"))


@post(WORK + "/cases/{case_id:str}/undo", opt=OPTIONS, include_in_schema=False)
async def undo(request: AnyRequest, doors: TheDoors, case_id: FromPath[str]) -> Response[bytes]:
    """Take a verdict back that did not take effect yet, and show its case again."""
    form, who = await form_of(request), reviewer_of(request)
    try:
        await doors.worker.run(lambda: taken_back(doors, who, case_id))
    except (CaseConflict, NotFound) as error:
        return await _refused(request, doors, form, f"{error.what} {error.remedy}")
    return see(_case_address(case_id, form))


async def _next(request: AnyRequest, doors: Doors, form: Form) -> Response[bytes]:
    """Lead to the case that a reviewer has, or to the next one, or say why there is none."""
    who = reviewer_of(request)
    policy, kind = form.text("policy"), form.text("kind")
    policies, kinds = (policy,) if policy else None, (kind,) if kind in {*CaseKind} else None

    def work() -> Given | None:
        mine = next((one for one in in_hand(doors.desk, who) if one.claim.held is None), None)
        # Whoever sends a form twice must not end up with two cases.
        return mine or claim_next(doors.desk, who, policies=policies, kinds=kinds)

    try:
        given = await doors.worker.run(work)
    except ExposureReached as error:
        back = await doors.worker.run(lambda: comes_back(doors.desk, who))
        return page(
            request,
            "rest.html",
            status_code=429,
            why=error.what,
            back=back,
            now=doors.clock.now(),
            desk=await doors.worker.run(lambda: _desk_of(doors, who)),
            policy=policy,
            kind=kind,
        )
    if given is None:
        return see(_back(form, done="nothing"))
    return see(_case_address(given.file.case.case_id, form))


async def _desk(
    request: AnyRequest,
    doors: Doors,
    *,
    policy: str,
    kind: str,
    done: str = "",
    refused: str = "",
    status_code: int = 200,
) -> Response[bytes]:
    who = reviewer_of(request)
    return page(
        request,
        "work.html",
        status_code=status_code,
        desk=await doors.worker.run(lambda: _desk_of(doors, who)),
        now=doors.clock.now(),
        policies=[one for one in doors.parts.policies.policies if not one.test_only],
        kinds=KINDS,
        policy=policy,
        kind=kind,
        done=done,
        refused=refused,
    )


async def _refused(request: AnyRequest, doors: Doors, form: Form, why: str) -> Response[bytes]:
    policy, kind = form.text("policy"), form.text("kind")
    return await _desk(request, doors, policy=policy, kind=kind, refused=why, status_code=409)


def _desk_of(doors: Doors, who: str) -> Desk:
    mine = in_hands_of(doors, who)
    held = sorted(
        (one for one in mine if one.held is not None), key=lambda one: -(one.held.given_at if one.held else 0)
    )
    return Desk(open=[one for one in mine if one.held is None], held=held)


def _choices(doors: Doors, asked: str) -> list[Policy]:
    """Return the policies that can be found violated, the one that asks first."""
    known = [one for one in doors.parts.policies.policies if one.name == asked or not one.test_only]
    return sorted(known, key=lambda one: one.name != asked)


def _case_address(case_id: str, form: Form) -> str:
    return with_query(f"{WORK}/cases/{case_id}", policy=form.text("policy"), kind=form.text("kind"))


def _back(form: Form, *, done: str) -> str:
    return with_query(WORK, policy=form.text("policy"), kind=form.text("kind"), done=done)


def _not_in_hand() -> str:
    return "You do not have this case any more: it was judged or given back, or its time ran out."
