"""A candidate bundle is tried beside the one that decides, without acting: what they dispute is drawn and judged.

The frame is a closed window. Of each post that both scored it is known whether the control's first decision, and
whether the candidate, would remove it: from a line of calibrated probability on. Views are drawn from the disputed
posts and from those that both would remove; people judge them blindly, in the order of the draws. What is known is
read from the draws up to the first that waits, so that quick judgements do not come first; whoever looks may look as
often as they like (`measurement.experiments`).

A post that was removed has few views because it was removed. It counts with the views that were forecast when it was
decided about, if they are more than it had (mistake 13).

Nothing is promoted by an experiment: a candidate that is found better is put in place in shadow, and certified.

Not covered: what would change if the candidate acted, on later posts and other people; an experiment may let it act
besides, in clusters of creators (`guardrail.acting`).
"""

import dataclasses
import math
from collections.abc import Mapping

import msgspec
import numpy as np
import numpy.typing as npt

from sievert.errors import InvalidField
from sievert.guardrail.drawing import audit_of, cases_of
from sievert.guardrail.telling import Announce, silent
from sievert.measurement.designs import Draws, draw, key_for
from sievert.measurement.experiments import Dispute, ExperimentFinding, Judgements, disputes, judge
from sievert.schema.access import AuditNote
from sievert.schema.action import CaseKind
from sievert.schema.batch import Effects
from sievert.schema.clock import DAY, Micros
from sievert.schema.experiment import Acting, DisputedShare, Experiment, ExperimentState
from sievert.schema.guardrail import Audit, AuditBy
from sievert.schema.identity import derived_id
from sievert.schema.policy import Policy
from sievert.schema.post import Post, PostKey
from sievert.stores.guardrail.base import Change, GuardrailStore

DISPUTED = 0.7
"""The share of draws that goes to disputed posts; the others tell how precise removals are on which both agree."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BothScored:
    """What is known of a seen post: what both models say, its views, those it is counted with, and reports."""

    revision: int
    control: float
    candidate: float
    seen: int
    counted: float
    reports: int


def start(
    store: GuardrailStore,
    policy: Policy,
    posts: Mapping[str, BothScored],
    *,
    platform: str,
    window: tuple[Micros, Micros],
    candidate: str,
    control: tuple[str, ...],
    lines: tuple[float, float],
    all_views: float,
    draws: int,
    now: Micros,
    actor: str,
    texts: Mapping[str, Post] | None = None,
    announce: Announce = silent,
    acting: Acting | None = None,
) -> Experiment:
    """Draw what both dispute and put it before people; all of it is durable, or nothing.

    With `acting` the candidate acts from now on, on servers that hold it. `lines` are the probabilities from which candidate and control would remove; `all_views` are of every post that
    was seen, also of those that not both scored.

    Raises:
        InvalidField: the candidate decides here already, both would remove the same, or another one acts here.
        StoreUnavailable: somebody else was faster; nothing was done.
    """
    if candidate in control:
        raise InvalidField(
            f"{candidate} decides here already.",
            field="candidate",
            remedy="Name the folder of another bundle.",
        )
    seen = store.version
    if acting is not None and any(
        one.acting is not None and one.state is ExperimentState.RUNNING for one in store.experiments()
    ):
        raise InvalidField(
            "Another candidate acts here already.",
            field="acting",
            remedy="`sievert experiment stop` ends its experiment.",
        )
    names = sorted(posts)
    some = [posts[name] for name in names]
    views = np.array([one.counted for one in some], np.float64)
    masks = disputes([one.candidate >= lines[0] for one in some], [one.control >= lines[1] for one in some])
    disputed = masks[Dispute.CANDIDATE] | masks[Dispute.CONTROL]
    if not names or not views[disputed].sum():
        raise InvalidField(
            "Both would remove the same of what was seen; there is nothing to tell them apart by.",
            field="posts",
            remedy="Look at a longer window, or at another line.",
        )
    name = derived_id("x", policy.name, platform, candidate, str(now))
    key = key_for(store.key(), purpose=f"experiment {name}")
    agreed = masks[Dispute.BOTH]
    of_disputed = draws if not views[agreed].sum() else round(draws * DISPUTED)
    drawn = [
        (disputed, _drawn(names, views, disputed, key=key_for(key, purpose="disputed"), count=of_disputed))
    ]
    if views[agreed].sum():
        drawn.append(
            (
                agreed,
                _drawn(names, views, agreed, key=key_for(key, purpose="both"), count=draws - of_disputed),
            )
        )
    audits = tuple(
        _audit(
            (name, policy.name, platform),
            names[row],
            some[row],
            kind=kind,
            place=place,
            chance=chance,
            secret=store.key(),
            now=now,
        )
        for _, made in drawn
        for place, (row, chance) in enumerate(zip(made.rows.tolist(), made.probability.tolist(), strict=True))
        for kind in Dispute
        if masks[kind][row]
    )
    shares = {
        kind: _share(
            [one for one, inside in zip(some, mask.tolist(), strict=True) if inside],
            all_views,
            sum(one.purpose == purpose_of(name, kind) for one in audits),
        )
        for kind, mask in masks.items()
    }
    rest = ~(disputed | agreed)
    experiment = Experiment(
        experiment_id=name,
        policy=policy.name,
        platform=platform,
        since=window[0],
        until=window[1],
        candidate=candidate,
        control=tuple(sorted(control)),
        candidate_line=lines[0],
        control_line=lines[1],
        precision_views=policy.precision_views,
        delta=policy.delta,
        posts=len(names),
        left_out=max(0.0, 1.0 - float(views.sum()) / all_views),
        both=shares[Dispute.BOTH],
        only_candidate=shares[Dispute.CANDIDATE],
        only_control=shares[Dispute.CONTROL],
        elsewhere=_share(
            [one for one, inside in zip(some, rest.tolist(), strict=True) if inside], all_views, 0
        ),
        state=ExperimentState.RUNNING,
        created_at=now,
        created_by=actor,
        changed_at=now,
        acting=None if acting is None else msgspec.structs.replace(acting, drawn_through=now // DAY * DAY),
    )
    # What was drawn first is asked first.
    by_place = sorted(audits, key=lambda one: one.place)
    cases = cases_of(by_place, now=now, kind=CaseKind.MEASUREMENT, in_order=True)
    told = texts or {}
    kept = tuple(told[case.post_id] for case in cases if case.post_id in told)
    store.apply(
        Change(experiments=(experiment,), audits=audits),
        Effects(
            cases=cases,
            messages=announce((), cases),
            audit=(note_of(actor, "experiment.started", experiment),),
            texts=kept,
        ),
        seen=seen,
    )
    return experiment


def finding(store: GuardrailStore, experiment: Experiment) -> ExperimentFinding:
    """Say what is known now, from the draws up to the first that nobody has judged."""
    audits = {kind: store.audits(purpose_of(experiment.experiment_id, kind)) for kind in Dispute}
    of_disputed = _heard([*audits[Dispute.CANDIDATE], *audits[Dispute.CONTROL]])
    heard = {
        Dispute.BOTH: _heard(audits[Dispute.BOTH]),
        **{
            kind: [one for one in of_disputed if one.purpose == purpose_of(experiment.experiment_id, kind)]
            for kind in (Dispute.CANDIDATE, Dispute.CONTROL)
        },
    }
    shares = {
        Dispute.BOTH: experiment.both,
        Dispute.CANDIDATE: experiment.only_candidate,
        Dispute.CONTROL: experiment.only_control,
    }
    both, candidate, control = (
        Judgements(
            views=min(shares[kind].views, 1.0),
            judged=len(heard[kind]),
            harmful=sum(one.harmful is True for one in heard[kind]),
            spread=shares[kind].spread,
        )
        for kind in Dispute
    )
    return judge(both, candidate, control, precision_views=experiment.precision_views, delta=experiment.delta)


def waiting(store: GuardrailStore, experiment: Experiment) -> int:
    """Return how many posts of an experiment nobody has judged yet."""
    return len(
        {
            one.case_id
            for kind in Dispute
            for one in store.audits(purpose_of(experiment.experiment_id, kind))
            if one.harmful is None
        }
    )


def stop(
    store: GuardrailStore, experiment: Experiment, *, reason: str, now: Micros, actor: str
) -> Experiment:
    """End an experiment; what was drawn stays with people, and becomes labels.

    Raises:
        InvalidField: it has ended already.
        StoreUnavailable: somebody else was faster; nothing was done.
    """
    seen = store.version
    if experiment.state is not ExperimentState.RUNNING:
        raise InvalidField("This experiment has ended.", field="experiment", remedy="Start another.")
    ended = msgspec.structs.replace(experiment, state=ExperimentState.STOPPED, changed_at=now, reason=reason)
    store.apply(
        Change(experiments=(ended,)),
        Effects(audit=(note_of(actor, "experiment.stopped", ended),)),
        seen=seen,
    )
    return ended


def purpose_of(experiment: str, kind: Dispute) -> str:
    """Name what draws of one kind are for."""
    return f"{experiment} {kind.value}"


def _drawn(
    names: list[str],
    views: npt.NDArray[np.float64],
    mask: npt.NDArray[np.bool_],
    *,
    key: bytes,
    count: int,
) -> Draws:
    rows = np.flatnonzero(mask)
    made = draw([names[row] for row in rows.tolist()], views[rows], key=key, count=max(count, 1))
    return Draws(rows=rows[made.rows], probability=made.probability)


def _heard(audits: list[Audit]) -> list[Audit]:
    """Return the draws, in their order, up to the first that nobody has judged."""
    found = []
    for one in sorted(audits, key=lambda one: one.place):
        if one.harmful is None:
            break
        found.append(one)
    return found


def _share(some: list[BothScored], all_views: float, draws: int) -> DisputedShare:
    return DisputedShare(
        posts=len(some),
        views=sum(one.counted for one in some) / all_views,
        spread=math.sqrt(sum((one.counted / all_views) ** 2 for one in some)),
        draws=draws,
        reports=sum(one.reports for one in some),
        seen=sum(one.seen for one in some),
    )


def _audit(
    of: tuple[str, str, str],
    post: str,
    scored: BothScored,
    *,
    kind: Dispute,
    place: int,
    chance: float,
    secret: bytes,
    now: Micros,
) -> Audit:
    experiment, policy, platform = of
    return audit_of(
        PostKey(platform, post, scored.revision),
        named=(experiment, "both" if kind is Dispute.BOTH else "disputed"),
        purpose=purpose_of(experiment, kind),
        together=experiment,
        policy=policy,
        by=AuditBy.VIEWS,
        place=place,
        probability=chance,
        p=scored.candidate,
        views=scored.counted,
        secret=secret,
        now=now,
    )


def note_of(actor: str, event: str, experiment: Experiment) -> AuditNote:
    """Return what the audit log shall say of an experiment."""
    details = {
        "policy": experiment.policy,
        "candidate": experiment.candidate,
        "reason": experiment.reason,
        "acting": "" if experiment.acting is None else f"{experiment.acting.share:g} of clusters",
    }
    return AuditNote(actor=actor, event=event, subject=experiment.experiment_id, details=details)
