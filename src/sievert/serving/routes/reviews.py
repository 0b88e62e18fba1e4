"""The work of reviewers over HTTP: the next case, a verdict, an appeal, and how reviewers do."""

from typing import Annotated

import msgspec
from litestar import Response, delete, get, post
from litestar.params import FromPath
from msgspec import Meta

from sievert.errors import InvalidField
from sievert.pipeline.desk import add_known_answer, claim_next, file_appeal, in_hand, withdraw_known_answer
from sievert.pipeline.holding import MOST_HELD, hold_verdict, take_back_verdict
from sievert.pipeline.overtaking import until_first
from sievert.pipeline.settling import count_settled, give_verdict
from sievert.pipeline.showing import CaseGiven, shown
from sievert.review.judging import for_a_judge_to_be, is_blind
from sievert.review.quality import ReviewerQuality, qualities
from sievert.schema.action import Case, CaseKind
from sievert.schema.clock import DAY, HOUR, SECOND, Micros
from sievert.schema.review import MAX_STATEMENT, Appeal, GoldAnswer, Settlement, Verdict
from sievert.schema.taxonomy import HARM
from sievert.serving.callers import caller_of
from sievert.serving.doors import Doors
from sievert.serving.routes.posts import AnyRequest, TheDoors, record_of

CASES = "/api/v1/cases"
REVIEW = "review:work"
"""The scope of whoever judges cases: what they may read of open ones must not tell them how."""

_Name = Annotated[str, Meta(min_length=1, max_length=64)]
_Names = Annotated[tuple[_Name, ...], Meta(max_length=100)]


class CaseWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a reviewer wants to look at."""

    policies: Annotated[_Names | None, Meta(description="cases of these policies only; null: any")] = None
    kinds: Annotated[
        tuple[CaseKind, ...] | None, Meta(description="cases of these kinds only; null: any")
    ] = None


class NewVerdict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a reviewer found."""

    violates: Annotated[
        _Names,
        Meta(
            description="the policies that the post violates; none: it may stay. Where harm of any kind is asked about, any of them is a yes"
        ),
    ]
    judged: Annotated[
        _Names | None,
        Meta(description="the policies that were looked at; null: the one that asks, and those violated"),
    ] = None
    note: Annotated[str, Meta(max_length=2000, description="anything to remember")] = ""
    hold_seconds: Annotated[
        int,
        Meta(ge=0, le=MOST_HELD, description="for so long it can be taken back, and nothing follows from it"),
    ] = 0


class VerdictShown(Verdict, frozen=True, kw_only=True):
    """What one person found about a post, policy by policy."""

    held_until: Annotated[
        Micros | None, Meta(description="when it takes effect, if it can still be taken back; else null")
    ] = None


class CasesInHand(msgspec.Struct, frozen=True, kw_only=True):
    """The cases that a reviewer has now."""

    items: Annotated[list[CaseGiven], Meta(description="the cases, the one claimed first in front")]


class CaseShown(msgspec.Struct, frozen=True, kw_only=True):
    """How a case stands."""

    case: Annotated[Case, Meta(description="the case, with its present state")]
    reviewer: Annotated[str | None, Meta(description="who has it, if anybody")]
    expires_at: Annotated[Micros | None, Meta(description="until when")]
    verdicts: Annotated[
        tuple[VerdictShown, ...],
        Meta(description="what was found; none as long as others shall judge without knowing"),
    ]
    settlement: Annotated[Settlement | None, Meta(description="what that came to")]
    joined: Annotated[tuple[str, ...], Meta(description="the cases of near-duplicates that it stands for")]


class NewAppeal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An appeal that shall be filed."""

    action_id: Annotated[
        str, Meta(min_length=1, max_length=64, description="the action or limit that it is against")
    ]
    by: Annotated[str, Meta(max_length=128, description="who appeals, by the platform's id")] = ""
    statement: Annotated[str, Meta(max_length=MAX_STATEMENT, description="what the author says")] = ""


class NewGold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A settled case whose answer shall be known."""

    case_id: Annotated[str, Meta(min_length=1, max_length=64, description="the settled case")]


class ReviewerShown(msgspec.Struct, frozen=True, kw_only=True):
    """How a reviewer does, and how much they were given."""

    reviewer: Annotated[str, Meta(description="who")]
    quality: Annotated[
        ReviewerQuality | None, Meta(description="errors on known answers; null where none was asked")
    ]
    last_hour: Annotated[int, Meta(description="cases given within an hour")]
    last_hour_heavy: Annotated[int, Meta(description="heavy ones among them")]
    last_day: Annotated[int, Meta(description="cases given within a day")]
    last_day_heavy: Annotated[int, Meta(description="heavy ones among them")]


class ReviewerList(msgspec.Struct, frozen=True, kw_only=True):
    """All reviewers that were given a case today, or judged a known answer."""

    items: Annotated[list[ReviewerShown], Meta(description="the reviewers, by name")]


REVIEW_BODIES: dict[str, type[msgspec.Struct]] = {
    f"{CASES}/claim": CaseWanted,
    f"{CASES}/{{case_id}}/verdict": NewVerdict,
    "/api/v1/appeals": NewAppeal,
    "/api/v1/gold": NewGold,
}
"""What is sent to each address, by its path as people write it."""


@post(
    f"{CASES}/claim",
    status_code=200,
    opt={"scope": "review:work"},
    summary="Claim the next case",
    description="Gives the case whose look prevents most harmful views per minute, or now and then one that "
    "is drawn; nobody else gets it until it is judged, given back, or its time runs out. 204 if none waits. "
    "429 says that the reviewer saw enough for now.",
)
async def claim(request: AnyRequest, doors: TheDoors) -> Response[CaseGiven | None]:
    """Give out a case."""
    wanted = await record_of(request, CaseWanted)
    who = reviewer_of(request)

    found = await doors.worker.run(lambda: claimed(doors, who, wanted))
    return Response(content=found, status_code=200 if found is not None else 204)


@post(
    CASES + "/{case_id:str}/release",
    status_code=204,
    opt={"scope": "review:work"},
    summary="Give a case back",
    description="It waits again, for others as well.",
)
async def release(request: AnyRequest, doors: TheDoors, case_id: FromPath[str]) -> None:
    """Take a case back."""
    who = reviewer_of(request)
    await doors.worker.run(lambda: doors.desk.reviews.release(case_id, who))


@post(
    CASES + "/{case_id:str}/verdict",
    status_code=200,
    opt={"scope": "review:work"},
    summary="Give a verdict",
    description="When it answers, the verdict is durable with all that follows: actions, webhook messages, "
    "labels, lines of the audit log. The same verdict again gets the same answer, another one is a conflict.",
)
async def verdict(request: AnyRequest, doors: TheDoors, case_id: FromPath[str]) -> VerdictShown:
    """Take a verdict."""
    said = await record_of(request, NewVerdict)
    who = reviewer_of(request)

    given = await doors.worker.run(lambda: judged(doors, who, case_id, said))
    doors.nudge()
    return given


@post(
    CASES + "/{case_id:str}/verdict/undo",
    status_code=200,
    opt={"scope": "review:work"},
    summary="Take a verdict back",
    description="As long as it is held (`hold_seconds`): then nothing followed from it yet. The case is with "
    "its reviewer again, with all the time of a claim; the audit log keeps what the verdict said.",
)
async def take_back(request: AnyRequest, doors: TheDoors, case_id: FromPath[str]) -> CaseGiven:
    """Take a held verdict back."""
    who = reviewer_of(request)
    return await doors.worker.run(lambda: taken_back(doors, who, case_id))


@get(
    CASES + "/claimed",
    opt={"scope": "review:work"},
    summary="The cases that I have",
    description="Those that whoever asks claimed and neither judged nor gave back, each as the claim answered "
    "it, and those whose verdict can still be taken back.",
)
async def mine(request: AnyRequest, doors: TheDoors) -> CasesInHand:
    """Return a reviewer's own cases."""
    who = reviewer_of(request)
    return CasesInHand(items=await doors.worker.run(lambda: in_hands_of(doors, who)))


@get(
    CASES + "/{case_id:str}",
    opt={"scope": "decisions:read"},
    summary="A case",
    description="With who has it, what was found, and what that came to. Whoever may do `review:work` as well "
    "is told no more of an open case than its judge: of a blind one neither score nor evidence, and of a known "
    "answer not that it is one.",
)
async def case(request: AnyRequest, doors: TheDoors, case_id: FromPath[str]) -> CaseShown:
    """Return a case."""
    file = await doors.worker.run(lambda: doors.desk.reviews.case(case_id))
    may_judge = caller_of(request).may(REVIEW)
    unknowing = is_blind(file.case) or (may_judge and file.case.kind == CaseKind.GOLD)
    hidden = file.settlement is None and unknowing
    return CaseShown(
        case=for_a_judge_to_be(file.case) if may_judge else file.case,
        reviewer=file.claim.reviewer if file.claim else None,
        expires_at=file.claim.expires_at if file.claim else None,
        verdicts=() if hidden else tuple(map(_shown, file.verdicts)),
        settlement=file.settlement,
        joined=() if hidden and may_judge else tuple(one.case_id for one in file.joined),
    )


@post(
    "/api/v1/appeals",
    status_code=200,
    opt={"scope": "appeals:write"},
    summary="File an appeal",
    description="Against an action, or a limit of an account, once; the same appeal again gets the same answer. A person who did not "
    "judge the post before decides it; `appeal.decided` tells how.",
)
async def appeal(request: AnyRequest, doors: TheDoors) -> Appeal:
    """Take an appeal."""
    said = await record_of(request, NewAppeal)
    who = reviewer_of(request)
    filed = await doors.worker.run(
        lambda: file_appeal(doors.desk, said.action_id, by=said.by, statement=said.statement, actor=who)
    )
    doors.nudge()
    return filed


@post(
    "/api/v1/gold",
    status_code=200,
    opt={"scope": "gold:write"},
    summary="Make a settled case a known answer",
    description="It is asked again of reviewers who do not know that its answer is known; how they do is at "
    "/api/v1/reviewers.",
)
async def gold(request: AnyRequest, doors: TheDoors) -> GoldAnswer:
    """Keep a known answer."""
    said = await record_of(request, NewGold)
    who = reviewer_of(request)
    return await doors.worker.run(lambda: add_known_answer(doors.desk, said.case_id, actor=who))


@delete(
    "/api/v1/gold/{case_id:str}",
    status_code=200,
    opt={"scope": "gold:write"},
    summary="Withdraw a known answer",
    description="Nobody is asked for it any more, and nobody is measured by what was said to it. An answer goes "
    "by itself when people later find otherwise about its post.",
)
async def drop_gold(request: AnyRequest, doors: TheDoors, case_id: FromPath[str]) -> GoldAnswer:
    """Withdraw a known answer."""
    who = reviewer_of(request)
    return await doors.worker.run(lambda: withdraw_known_answer(doors.desk, case_id, actor=who))


@get(
    "/api/v1/reviewers",
    opt={"scope": "reviewers:read"},
    summary="How reviewers do",
    description="Errors on known answers, with intervals, and how much each reviewer was given.",
)
async def reviewers(doors: TheDoors) -> ReviewerList:
    """Return all reviewers."""
    return await doors.worker.run(lambda: _reviewers(doors))


def reviewer_of(request: AnyRequest) -> str:
    """Return who works, as claims and verdicts name them: a person, or a key."""
    return caller_of(request).actor


def claimed(doors: Doors, who: str, wanted: CaseWanted) -> CaseGiven | None:
    """Give a reviewer the next case, in the worker's thread; None if none waits."""
    given = claim_next(doors.desk, who, policies=wanted.policies, kinds=wanted.kinds)
    return None if given is None else shown(doors.desk, given)


def in_hands_of(doors: Doors, who: str) -> list[CaseGiven]:
    """Return what a reviewer has, in the worker's thread."""
    return [shown(doors.desk, one) for one in in_hand(doors.desk, who)]


def judged(doors: Doors, who: str, case_id: str, said: NewVerdict) -> VerdictShown:
    """Take a verdict, in the worker's thread."""
    asked = doors.desk.reviews.case(case_id).case.policy
    # Where harm of any kind is asked about, whatever violates a policy is a yes.
    violates = (*said.violates, HARM) if asked == HARM and said.violates else said.violates
    looked_at = said.judged if said.judged is not None else (asked, *violates)
    known = {asked, *(one.name for one in doors.parts.policies.policies)}
    for name in (*looked_at, *violates):
        if name not in known:
            raise InvalidField(
                f"There is no policy {name!r}.", field="judged", remedy=f"There are {sorted(known)}."
            )
    desk, until = doors.desk, None
    if said.hold_seconds:
        given, until = hold_verdict(
            desk,
            case_id,
            who,
            violates=violates,
            judged=looked_at,
            note=said.note,
            wait=said.hold_seconds * SECOND,
        )
    else:
        given = until_first(
            lambda: give_verdict(desk, case_id, who, violates=violates, judged=looked_at, note=said.note)
        )
        count_settled(desk)
    answer = msgspec.structs.replace(_shown(given), held_until=until)
    # Whoever can still change their mind is not told that the others differ.
    return answer if until is None else msgspec.structs.replace(answer, adjudicates=False)


def taken_back(doors: Doors, who: str, case_id: str) -> CaseGiven:
    """Take a held verdict back, in the worker's thread; return the case as its reviewer has it again."""
    take_back_verdict(doors.desk, case_id, who)
    return next(shown(doors.desk, one) for one in in_hand(doors.desk, who) if one.claim.case_id == case_id)


def _shown(verdict: Verdict) -> VerdictShown:
    return VerdictShown(**{name: getattr(verdict, name) for name in Verdict.__struct_fields__})


def _reviewers(doors: Doors) -> ReviewerList:
    now, reviews = doors.clock.now(), doors.desk.reviews
    hour = {one.reviewer: one for one in reviews.workloads(now - HOUR)}
    day = {one.reviewer: one for one in reviews.workloads(now - DAY)}
    known = qualities(reviews.marks())
    return ReviewerList(
        items=[
            ReviewerShown(
                reviewer=name,
                quality=known.get(name),
                last_hour=hour[name].claims if name in hour else 0,
                last_hour_heavy=hour[name].heavy if name in hour else 0,
                last_day=day[name].claims if name in day else 0,
                last_day_heavy=day[name].heavy if name in day else 0,
            )
            for name in sorted({*day, *known})
        ]
    )
