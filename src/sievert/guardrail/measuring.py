"""How often people see harm here: views are drawn, put before people as blind cases, and counted.

The frame is every view of a window of whole days, whatever was decided about its post. What scores posts for
the strata must be another bundle than those that decide (`refuse_enforcing`); whoever measures by the decisions
themselves says so, and the record says it too. A post that nothing scored lies in the stratum of the mean.

A post is judged once, however many of its views were drawn. Two people judge it, a third where they differ;
how often such a panel errs is counted from known answers that three people gave (`panels_of`).

Not covered: views that no event told of. Posts whose text is neither kept nor told by the caller are put before
people without it.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import msgspec
import numpy as np

from sievert.errors import InvalidField
from sievert.guardrail.drawing import audit_of, cases_of
from sievert.guardrail.telling import Announce, silent
from sievert.measurement.designs import key_for
from sievert.measurement.harmful_views import Design, DrawPlan, designed, draw_views, draws_for, seen_share
from sievert.measurement.misjudged import Judged, corrected, repeated
from sievert.measurement.totals import Estimate
from sievert.schema.access import AuditNote
from sievert.schema.action import CaseKind
from sievert.schema.batch import Effects
from sievert.schema.clock import DAY, Micros
from sievert.schema.guardrail import Audit, AuditBy
from sievert.schema.identity import derived_id
from sievert.schema.measuring import Measurement, ViewStratum
from sievert.schema.post import Post, PostKey
from sievert.schema.review import GoldAnswer, Verdict
from sievert.schema.taxonomy import HARM
from sievert.stores.guardrail.base import Change, GuardrailStore

PANEL = 3
"""Verdicts that settle a case at most: two, and one more where they differ."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """What is known of a seen post: its revision, and what the measuring model says; None where it says nothing."""

    revision: int
    p: float | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """All views of a window: how often each post was seen on each day, and what is known of the posts."""

    policy: str
    platform: str
    since: Micros
    until: Micros
    views: Mapping[tuple[str, Micros], int]
    scored: Mapping[str, Scored]
    measured_by: str
    decided_by: tuple[str, ...]

    @property
    def rows(self) -> list[tuple[str, Micros]]:
        """Posts and days in an order that hangs on nothing but them."""
        return sorted(self.views)

    @property
    def days(self) -> list[Micros]:
        """The days of the window, by their beginnings."""
        return [*range(self.since, self.until, DAY)]


class DayMeasured(msgspec.Struct, frozen=True, kw_only=True):
    """The share of one day's views that was of harm."""

    day: Micros
    share: Estimate


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What a measurement came to: shares of views, reviewers' errors corrected, with 95 % intervals.

    `as_judged` is not corrected. `found` and `drawn` count draws.
    """

    measurement: Measurement
    share: Estimate
    as_judged: Estimate
    by_day: tuple[DayMeasured, ...]
    found: int
    drawn: int


class Panels(msgspec.Struct, frozen=True, kw_only=True):
    """How panels of reviewers did on known answers."""

    missed: Judged
    accused: Judged


def panels_of(marks: Iterable[tuple[Verdict, GoldAnswer]], policy: str) -> Panels:
    """Count what panels made of known answers: of each answer the first three verdicts, whose majority holds.

    That is what two judges and one who decides between them come to. An answer with fewer verdicts says nothing.
    """
    said: dict[str, tuple[bool, list[bool]]] = {}
    for verdict, answer in sorted(marks, key=lambda one: (one[0].given_at, one[0].verdict_id)):
        if policy in answer.judged and policy in verdict.judged:
            truth = _violates(answer.violates, policy)
            said.setdefault(answer.case_id, (truth, []))[1].append(_violates(verdict.violates, policy))
    counts = {True: [0, 0], False: [0, 0]}
    for truth, verdicts in said.values():
        if len(verdicts) >= PANEL:
            counts[truth][0] += 1
            counts[truth][1] += (sum(verdicts[:PANEL]) * 2 > PANEL) != truth
    missed, accused = (Judged(asked=asked, wrong=wrong) for asked, wrong in (counts[True], counts[False]))
    return Panels(missed=missed, accused=accused)


def refuse_enforcing(measured_by: str, decided_by: Iterable[str]) -> None:
    """Refuse to measure by a bundle that decides.

    Raises:
        InvalidField: it is one of them.
    """
    if measured_by in decided_by:
        raise InvalidField(
            f"{measured_by} decides about these posts: what it does not see it would look for as rarely as it finds it.",
            field="measuring",
            remedy="Measure with another bundle and the posts' texts (--measuring FOLDER --posts FILE), or say "
            "--by-decisions if there is none: the number holds, its interval is wide where the bundle is blind.",
        )


def planned(frame: Frame, *, half_width: float, hidden: float) -> DrawPlan:
    """Return how many draws are expected to give an interval so wide; as `harmful_views.draws_for`.

    Raises:
        InvalidField: nothing was seen, or nothing is expected.
    """
    views, p = _columns(frame)
    return draws_for(views, p, half_width=half_width, hidden=hidden)


def draw_measurement(
    store: GuardrailStore,
    frame: Frame,
    *,
    draws: int,
    hidden: float,
    now: Micros,
    actor: str,
    texts: Mapping[str, Post] | None = None,
    announce: Announce = silent,
) -> Measurement:
    """Draw views of a frame, and put their posts before people; all of it is durable, or nothing.

    `texts` are posts by id, whose text is kept for whoever judges.

    Raises:
        InvalidField: nothing was seen, or nothing is expected.
        StoreUnavailable: somebody else was faster; nothing was done.
    """
    seen = store.version
    views, p = _columns(frame)
    design = designed(views, p, draws=draws, hidden=hidden)
    name = derived_id("m", frame.policy, frame.platform, str(frame.since), str(frame.until), str(now))
    rows = frame.rows
    drawn = draw_views(
        [f"{day} {post}" for post, day in rows],
        views,
        design,
        key=key_for(
            store.key(), purpose=f"measurement {frame.policy} {frame.platform} {frame.since} {frame.until}"
        ),
    )
    audits = tuple(
        _audit(
            frame,
            name,
            place,
            rows[row],
            views=float(views[row]),
            p=float(p[row]),
            probability=chance,
            secret=store.key(),
            now=now,
        )
        for place, (row, chance) in enumerate(
            zip(drawn.rows.tolist(), drawn.probability.tolist(), strict=True)
        )
    )
    cases = cases_of(audits, now=now, kind=CaseKind.MEASUREMENT)
    made = Measurement(
        measurement_id=name,
        policy=frame.policy,
        platform=frame.platform,
        since=frame.since,
        until=frame.until,
        posts=len({post for post, _ in rows}),
        unscored=float(
            sum(count for (post, _), count in frame.views.items() if _unscored(frame, post)) / views.sum()
        ),
        views=int(views.sum()),
        measured_by=frame.measured_by,
        decided_by=tuple(sorted(frame.decided_by)),
        strata=_strata(frame, design, views),
        cases=len(cases),
        drawn_at=now,
        drawn_by=actor,
    )
    note = AuditNote(
        actor=actor,
        event="measurement.drawn",
        subject=name,
        details={"policy": frame.policy, "draws": str(len(audits)), "cases": str(len(cases))},
    )
    told = texts or {}
    kept = tuple(told[case.post_id] for case in cases if case.post_id in told)
    store.apply(
        Change(measurements=(made,), audits=audits),
        Effects(cases=cases, messages=announce((), cases), audit=(note,), texts=kept),
        seen=seen,
    )
    return made


def waiting(store: GuardrailStore, measurement: Measurement) -> int:
    """Return how many posts of a measurement nobody has judged yet."""
    return len({one.case_id for one in store.audits(measurement.measurement_id) if one.harmful is None})


def estimated(
    measurement: Measurement,
    audits: Sequence[Audit],
    panels: Panels,
    *,
    not_confirmed: frozenset[str] | None = None,
) -> Measured:
    """Say how often people saw harm, from the judged draws of a measurement.

    `not_confirmed` names, by case, what somebody who does not err found harmless after all of what was found
    harmful was looked at once more; then nobody is taken to accuse. None: nobody looked.

    Raises:
        InvalidField: posts wait for a judgement, or reviewers err so often that they tell nothing.
    """
    left = {one.case_id for one in audits if one.harmful is None}
    if left:
        raise InvalidField(
            f"{len(left)} posts wait for a judgement still.", field="audits", remedy="Judge them first."
        )
    if not_confirmed is not None:
        panels = msgspec.structs.replace(panels, accused=Judged.of_nothing())
    harmful = np.array([one.harmful is True and one.case_id not in (not_confirmed or ()) for one in audits])
    places = np.array([one.place for one in audits])
    ends = np.cumsum([one.draws for one in measurement.strata])
    stratum = np.searchsorted(ends, places, side="right")
    day = np.array([one.day for one in audits])
    weight = np.array([one.weight for one in measurement.strata])
    by_day = np.array([one.by_day for one in measurement.strata])  # [H, days]

    def counted(some: np.typing.NDArray[np.bool_], weight: np.typing.NDArray[np.float64]) -> Estimate:
        kinds = len(measurement.strata)
        drawn = np.bincount(stratum[some], minlength=kinds)
        found = np.bincount(stratum[some & harmful], minlength=kinds)
        held = weight > 0
        return seen_share(found[held].tolist(), drawn[held].tolist(), (weight[held] / weight.sum()).tolist())

    def true(some: np.typing.NDArray[np.bool_], weight: np.typing.NDArray[np.float64]) -> Estimate:
        """Return the share of some draws, whose strata have these weights, with reviewers' errors corrected."""
        each = (weight / weight.sum() / np.maximum(np.bincount(stratum[some], minlength=len(weight)), 1))[
            stratum
        ]
        again = repeated(np.array([one.case_id for one in audits])[some], each[some], harmful[some])
        return corrected(counted(some, weight), missed=panels.missed, accused=panels.accused, again=again)

    everything = np.ones(len(audits), bool)
    days = range(measurement.since, measurement.until, DAY)
    return Measured(
        measurement=measurement,
        share=true(everything, weight),
        as_judged=counted(everything, weight),
        by_day=tuple(
            DayMeasured(
                day=one,
                share=true(day == one, by_day[:, place]),
            )
            for place, one in enumerate(days)
            if by_day[:, place].sum() > 0
        ),
        found=int(harmful.sum()),
        drawn=len(audits),
    )


def _columns(frame: Frame) -> tuple[np.typing.NDArray[np.float64], np.typing.NDArray[np.float64]]:
    """Return views and probabilities of a frame's rows; what nothing scored has the mean of the views that were."""
    rows = frame.rows
    if not rows:
        raise InvalidField(
            "Nobody told of a view within this window.",
            field="since",
            remedy='Send views as events (`POST /api/v1/events`, kind "views"), or name another window.',
        )
    views = np.array([frame.views[row] for row in rows], np.float64)
    said = [frame.scored[post].p if post in frame.scored else None for post, _ in rows]
    known = np.array([one is not None for one in said])
    p = np.array([0.0 if one is None else one for one in said])
    if known.any():
        p[~known] = views[known] @ p[known] / views[known].sum()
    return views, p


def _unscored(frame: Frame, post: str) -> bool:
    return post not in frame.scored or frame.scored[post].p is None


def _strata(frame: Frame, design: Design, views: np.typing.NDArray[np.float64]) -> tuple[ViewStratum, ...]:
    day = np.array([day for _, day in frame.rows])
    return tuple(
        ViewStratum(
            weight=one.weight,
            expected=one.expected,
            draws=one.draws,
            by_day=tuple(
                float(views[(design.stratum == place) & (day == some)].sum() / views.sum())
                for some in frame.days
            ),
        )
        for place, one in enumerate(design.strata)
    )


def _audit(
    frame: Frame,
    measurement: str,
    place: int,
    row: tuple[str, Micros],
    *,
    views: float,
    p: float,
    probability: float,
    secret: bytes,
    now: Micros,
) -> Audit:
    post, day = row
    revision = frame.scored[post].revision if post in frame.scored else 0
    return audit_of(
        PostKey(frame.platform, post, revision),
        named=(measurement,),
        purpose=measurement,
        policy=frame.policy,
        by=AuditBy.VIEWS,
        place=place,
        probability=probability,
        p=p,
        views=views,
        secret=secret,
        now=now,
        day=day,
    )


def _violates(violates: Sequence[str], policy: str) -> bool:
    return bool(violates) if policy == HARM else policy in violates
