"""Decisions, actions, cases and labels, listed newest first, page by page."""

import asyncio
from typing import Annotated

import msgspec
from litestar import get
from litestar.params import QueryParameter
from msgspec import Meta

from sievert.errors import InvalidField
from sievert.review.judging import for_a_judge_to_be
from sievert.schema.access import AuditEntry, AuditNote
from sievert.schema.action import Action, Case
from sievert.schema.bank import MINORS_POLICY
from sievert.schema.clock import Micros
from sievert.schema.decision import Decision, Language, Outcome
from sievert.schema.label import Label
from sievert.schema.post import MAX_ID_BYTES
from sievert.serving.callers import caller_of
from sievert.serving.moments import moment_from
from sievert.serving.routes.posts import AnyRequest, TheDoors
from sievert.serving.routes.reviews import REVIEW
from sievert.stores.journal.base import DecisionFilter

MAX_FILTER = MAX_ID_BYTES
"""No name, word or moment that a filter may ask for is longer, in characters."""

_MAX_CURSOR = 256

Limit = Annotated[int, QueryParameter(ge=1, le=1000, description="records a page")]
Cursor = Annotated[
    str | None,
    QueryParameter(max_length=_MAX_CURSOR, description="the cursor that came with the page before"),
]
Policy = Annotated[
    str | None,
    QueryParameter(max_length=MAX_FILTER, description="the policy that acted, asked or was held back"),
]
Moment = Annotated[
    str | None,
    QueryParameter(
        max_length=MAX_FILTER, description="RFC 3339 with a time zone, or microseconds since 1970"
    ),
]

NextPage = Annotated[str | None, Meta(description="asks for the records behind these; null at the end")]


class DecisionPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some decisions, newest first."""

    items: Annotated[list[Decision], Meta(description="the records, newest first")]
    cursor: NextPage


class ActionPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some actions, newest first."""

    items: Annotated[list[Action], Meta(description="the records, newest first")]
    cursor: NextPage


class CasePage(msgspec.Struct, frozen=True, kw_only=True):
    """Some cases, newest first."""

    items: Annotated[list[Case], Meta(description="the records, newest first")]
    cursor: NextPage


class LabelPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some labels, newest first."""

    items: Annotated[list[Label], Meta(description="the records, newest first")]
    cursor: NextPage


class AuditPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some lines of the audit log, newest first."""

    items: Annotated[list[AuditEntry], Meta(description="the lines, newest first")]
    before: Annotated[int | None, Meta(description="asks for the lines behind these; null at the end")]


@get(
    "/api/v1/decisions",
    opt={"scope": "decisions:read"},
    summary="List decisions",
    description="Newest first, without those about isolated posts. Filters are joined by and; times are those "
    "of the decision. Only a null "
    "cursor means the end: a page of a rare filter may be short, even empty.",
)
async def decisions(
    doors: TheDoors,
    *,
    outcome: Annotated[
        str | None,
        QueryParameter(
            max_length=MAX_FILTER, description="allow, demote, review or remove; several with commas"
        ),
    ] = None,
    policy: Policy = None,
    platform: Annotated[
        str | None, QueryParameter(max_length=MAX_FILTER, description="one platform only")
    ] = None,
    language: Annotated[
        str | None, QueryParameter(max_length=MAX_FILTER, description="english, other or unreadable")
    ] = None,
    since: Moment = None,
    until: Moment = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> DecisionPage:
    """Return a page of decisions."""
    wanted = DecisionFilter(
        outcomes=None
        if outcome is None
        else _words("outcome", outcome.split(","), [one.word for one in Outcome]),
        policy=policy,
        without=MINORS_POLICY,
        platform=platform,
        language=None
        if language is None
        else _words("language", [language], [one.word for one in Language])[0],
        since=_moment("since", since),
        until=_moment("until", until),
    )
    journal = doors.stores.journal
    page = await doors.worker.run(lambda: journal.decisions(wanted, cursor=cursor, limit=limit))
    return DecisionPage(items=page.items, cursor=page.cursor)


@get("/api/v1/actions", opt={"scope": "decisions:read"}, summary="List actions", description="Newest first.")
async def actions(
    doors: TheDoors, policy: Policy = None, cursor: Cursor = None, limit: Limit = 100
) -> ActionPage:
    """Return a page of actions."""
    listed = doors.stores.actions
    page = await asyncio.to_thread(listed.list, policy=policy, cursor=cursor, limit=limit)
    return ActionPage(items=page.items, cursor=page.cursor)


@get(
    "/api/v1/cases",
    opt={"scope": "decisions:read"},
    summary="List cases",
    description="Newest first. Those about isolated posts are not among them. Whoever may do `review:work` as "
    "well is told no more of open ones than their judges.",
)
async def cases(
    request: AnyRequest, doors: TheDoors, policy: Policy = None, cursor: Cursor = None, limit: Limit = 100
) -> CasePage:
    """Return a page of cases."""
    listed = doors.stores.cases
    page = await asyncio.to_thread(
        listed.list, policy=policy, without=MINORS_POLICY, cursor=cursor, limit=limit
    )
    may_judge = caller_of(request).may(REVIEW)
    items = [for_a_judge_to_be(one) for one in page.items] if may_judge else page.items
    return CasePage(items=items, cursor=page.cursor)


@get(
    "/api/v1/isolated",
    opt={"scope": "isolation:read"},
    summary="List cases about isolated posts",
    description="For the designated person: posts like what a bank of material with minors holds, newest "
    "first. Nothing of them is kept but these records. Who asks stands in the audit log.",
)
async def isolated(
    request: AnyRequest, doors: TheDoors, cursor: Cursor = None, limit: Limit = 100
) -> CasePage:
    """Return a page of cases, once it is noted who asked."""
    note = AuditNote(actor=caller_of(request).actor, event="isolated.listed", subject=MINORS_POLICY)
    await asyncio.to_thread(doors.stores.audit.append, [note])
    listed = doors.stores.cases
    page = await asyncio.to_thread(listed.list, policy=MINORS_POLICY, cursor=cursor, limit=limit)
    return CasePage(items=page.items, cursor=page.cursor)


@get(
    "/api/v1/audit",
    opt={"scope": "audit:read"},
    summary="Read the audit log",
    description="Newest first. Each line names the digest of the one before; `sievert audit verify` checks all.",
)
async def audit(
    doors: TheDoors,
    before: Annotated[
        int | None,
        QueryParameter(ge=1, le=2**63 - 1, description="lines before this one only, by its number"),
    ] = None,
    limit: Limit = 100,
) -> AuditPage:
    """Return lines of the audit log."""
    log = doors.stores.audit

    def read() -> list[AuditEntry]:
        newest, _ = log.head()
        behind = min(newest + 1, before or newest + 1) - 1  # the number of the newest wanted
        after = max(0, behind - limit)
        return log.entries(after=after, limit=behind - after)[::-1] if behind else []

    found = await asyncio.to_thread(read)
    more = found and found[-1].sequence > 1
    return AuditPage(items=found, before=found[-1].sequence if more else None)


@get("/api/v1/labels", opt={"scope": "decisions:read"}, summary="List labels", description="Newest first.")
async def labels(
    doors: TheDoors,
    policy: Annotated[
        str | None,
        QueryParameter(max_length=MAX_FILTER, description="what the label is about: harm or a policy"),
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> LabelPage:
    """Return a page of labels."""
    listed = doors.stores.labels
    page = await asyncio.to_thread(listed.list, policy=policy, cursor=cursor, limit=limit)
    return LabelPage(items=page.items, cursor=page.cursor)


def _words(field: str, given: list[str], known: list[str]) -> tuple[str, ...]:
    words = tuple(word.strip() for word in given)
    for word in words:
        if word not in known:
            raise InvalidField(
                f"There is no {field} {word[:40]!r}.", field=field, remedy=f"It is one of {', '.join(known)}."
            )
    return words


def _moment(field: str, given: str | None) -> Micros | None:
    return None if given is None else moment_from(field, given)
