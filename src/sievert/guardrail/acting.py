"""A candidate that acts in clusters of creators: whose bundle decides, what is drawn each day, and when it stops.

An experiment that shall act names a share of clusters. A cluster is one creator on one platform: whoever
published a post is known when it comes, and stays in one arm for as long as the experiment goes on, on every server
and after every restart, since the arm is a keyed hash. In one share of clusters the candidate's bundle decides, in
another of the same size the control's; only these two are compared, under the same rules. Elsewhere everything is as
without the experiment. Posts of nobody known are elsewhere.

Removals are fair game for both or for none: in both arms a policy removes only while bundles of both have an active
certificate. Until then what either would remove is demoted and put before people as far as the policy does that, and
its views, which a removal would have ended, are seen in both.

Each closed day of views, in UTC, is drawn from once, by capped views, the root of the likelier of both probabilities
and one over the chance with which a post is watched; people judge blindly. When something is proven, or the days
or labels that were declared are spent, the experiment ends in the store: no server's next batch is decided by the
candidate.

Not covered: clusters of creators who interact. Their graph changes while an experiment goes on, and a part of it that
hangs together may be nearly everybody; so effects across arms are not seen.
"""

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import msgspec
import numpy as np

from sievert.errors import InvalidField
from sievert.guardrail.drawing import audit_of, cases_of
from sievert.guardrail.experimenting import note_of
from sievert.guardrail.telling import Announce, silent
from sievert.measurement.acting import ActingFinding, JudgedDraws, Watched, found_by_acting
from sievert.measurement.designs import draw, key_for, views_sqrt_p
from sievert.measurement.experiments import acts, arm_of
from sievert.schema.action import OURSELVES, CaseKind
from sievert.schema.arm import Acted, Arm
from sievert.schema.batch import Effects
from sievert.schema.clock import DAY, HOUR, Micros
from sievert.schema.decision import Decision, Outcome, Stage
from sievert.schema.experiment import Acting, ActingAnswer, Experiment, ExperimentState
from sievert.schema.guardrail import Audit, AuditBy, AuditState
from sievert.schema.policy import PolicySet
from sievert.schema.post import PostKey
from sievert.stores.guardrail.base import Change, GuardrailStore
from sievert.stores.journal.seen import SeenPosts

LATE: Micros = HOUR
"""So long after its end a day counts as closed: what happened may be told a little later."""

STOPS = {
    ActingAnswer.WORSE: "people saw more harm where it decided",
    ActingAnswer.TOO_IMPRECISE: "its precision over views is below the guardrail",
    ActingAnswer.GUARD: "it exceeds what was declared in {}",
    ActingAnswer.SPENT: "the labels that were declared are spent",
    ActingAnswer.OVER: "the days that were declared are over",
}
"""What stops a candidate by itself, and how that is told."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ActingPost:
    """A watched post with what became of it since."""

    decision: Decision
    acted: Acted
    p: float
    views: Mapping[Micros, int]  # by day
    reports: int
    appeals: int


def arms_key(store: GuardrailStore, experiment: str) -> bytes:
    """Return the key by which clusters fall to arms."""
    return key_for(store.key(), purpose=f"arms of {experiment}")


def cluster_of(platform: str, creator: str) -> str:
    """Name the cluster of a creator: itself, on its platform."""
    return f"{platform} {creator}"


def arm_for(experiment: Experiment, platform: str, creator: str | None, *, key: bytes) -> Arm | None:
    """Return whose bundle decides about a creator's posts, if the experiment says anything of that."""
    if experiment.acting is None or platform != experiment.platform or not creator:
        return None
    return arm_of(cluster_of(platform, creator), key=key, share=experiment.acting.share)


def watching_chance(experiment: Experiment, arm: Arm, own: float, other: float) -> float:
    """Return with what chance a post is watched: surely if either would remove it, else by the root of p."""
    if experiment.acting is None:
        return 0.0
    candidate, control = (own, other) if arm is Arm.CANDIDATE else (other, own)
    if candidate >= experiment.candidate_line or control >= experiment.control_line:
        return 1.0
    likelier = max(own, other, 0.0)
    return min(1.0, max(experiment.acting.watched, float(np.sqrt(likelier))))


def is_watched(decision_id: str, chance: float, *, key: bytes) -> bool:
    """Draw whether a post is watched, the same whenever it is asked."""
    return acts(f"watched {decision_id}", key=key, share=chance)


def acting_now(store: GuardrailStore, candidate: str) -> Experiment | None:
    """Return the experiment in which this bundle is to act now, the newest of several."""
    found = [one for one in store.experiments() if is_acting(one) and one.candidate == candidate]
    return found[-1] if found else None


def acting_purpose(experiment: str) -> str:
    """Name what draws of days are for."""
    return f"{experiment} acting"


def watched_posts(seen: SeenPosts, experiment: Experiment, *, now: Micros) -> list[ActingPost]:
    """Read what became of the watched posts.

    Raises:
        StoreUnavailable: the database cannot be read.
    """
    since, platform = experiment.created_at, experiment.platform
    # Within an hour nothing changes, however often it is looked at: so many looks there are.
    until = max(now // HOUR * HOUR, since)
    watched = seen.watched(platform, experiment.experiment_id, since=since, until=until)
    named = {one.post_id for one in watched}
    views: dict[str, dict[Micros, int]] = defaultdict(dict)
    for (post, day), count in seen.views(platform, since=since, until=until, of=named).items():
        views[post][day] = count
    reports = seen.reports(platform, since=since, until=until, of=named)
    appeals = seen.appeals(platform, since=since, until=until)
    return [
        ActingPost(
            decision=one,
            acted=one.acted,
            p=one.policies.get(experiment.policy, 0.0),
            views=views.get(one.post_id, {}),
            reports=reports[one.post_id],
            appeals=appeals[one.post_id],
        )
        for one in watched
        if one.acted is not None
    ]


def draw_closed_days(
    store: GuardrailStore,
    experiment: Experiment,
    posts: Sequence[ActingPost],
    *,
    cap: float,
    now: Micros,
    version: int,
    announce: Announce = silent,
) -> Experiment:
    """Draw from the views of each day that has closed since the last time; all of it is durable, or nothing.

    `version` is that of the store when the experiment was read. A post that was drawn before is not asked about again.

    Raises:
        StoreUnavailable: somebody else was faster; nothing was done.
    """
    acting = experiment.acting
    closed = (now - LATE) // DAY * DAY
    if acting is None or closed <= acting.drawn_through:
        return experiment
    before = store.audits(acting_purpose(experiment.experiment_id))
    place = len(before)
    audits: list[Audit] = []
    for day in range(acting.drawn_through, closed, DAY):
        left = acting.rules.labels - place - len(audits)
        count = min(left, -(-acting.rules.labels // acting.rules.days))
        if count > 0:
            audits += _drawn(
                store, experiment, posts, day=day, count=count, place=place + len(audits), cap=cap, now=now
            )
    drawn = msgspec.structs.replace(experiment, acting=msgspec.structs.replace(acting, drawn_through=closed))
    known = {one.case_id: one for one in before}
    audits = [_as_judged(one, known.get(one.case_id), now) for one in audits]
    fresh = [one for one in audits if one.case_id not in known]
    cases = cases_of(fresh, now=now, kind=CaseKind.MEASUREMENT, in_order=True)
    store.apply(
        Change(audits=tuple(audits), experiments=(drawn,)),
        Effects(cases=cases, messages=announce((), cases)),
        seen=version,
    )
    return drawn


def acting_finding(
    store: GuardrailStore, experiment: Experiment, posts: Sequence[ActingPost], *, cap: float
) -> ActingFinding:
    """Say what is known now, from all days up to the first whose draws are not all judged.

    Raises:
        InvalidField: the candidate acts on nothing.
    """
    acting = required(experiment)
    audits = store.audits(acting_purpose(experiment.experiment_id))
    days: dict[Micros, list[Audit]] = defaultdict(list)
    for one in audits:
        days[one.day].append(one)
    first = min((day for day, some in days.items() if any(one.harmful is None for one in some)), default=None)
    through = acting.drawn_through if first is None else first
    index = {one.decision.decision_id: row for row, one in enumerate(posts)}
    # A post whose record was forgotten cannot be told to an arm.
    heard = [one for one in audits if one.day < through and one.decision_id in index]
    clusters: dict[str, int] = {}
    by = [
        clusters.setdefault(cluster_of(one.decision.platform, one.decision.creator_id or ""), len(clusters))
        for one in posts
    ]
    would = [_would(experiment, one) for one in posts]
    watched = Watched(
        cluster=np.array(by, np.intp),
        treated=np.array([one.acted.arm is Arm.CANDIDATE for one in posts], np.bool_),
        weight=np.array([1 / one.acted.chance for one in posts], np.float64),
        views=np.array([_capped(one, cap) for one in posts], np.float64),
        judged_views=np.array([_capped(one, cap, before=through) for one in posts], np.float64),
        reports=np.array([one.reports for one in posts], np.float64),
        acted_on=np.array([one.decision.outcome != Outcome.ALLOW.word for one in posts], np.bool_),
        appeals=np.array([one.appeals for one in posts], np.float64),
        heavy=np.array([one.decision.stage == Stage.HEAVY.word for one in posts], np.bool_),
        expected=np.array([(one.p + (one.acted.other or 0.0)) / 2 for one in posts], np.float64),
        by_candidate=np.array([one for one, _ in would], np.bool_),
        by_control=np.array([one for _, one in would], np.bool_),
    )
    draws = JudgedDraws(
        post=np.array([index[one.decision_id] for one in heard], np.intp),
        weight=np.array([one.views / (one.probability * len(days[one.day])) for one in heard], np.float64),
        harmful=np.array([one.harmful is True for one in heard], np.bool_),
        day=np.array([one.day // DAY for one in heard], np.intp),
    )
    return found_by_acting(
        watched,
        draws,
        rules=acting.rules,
        precision_views=experiment.precision_views,
        delta=experiment.delta,
    )


def answer_of(
    store: GuardrailStore, experiment: Experiment, found: ActingFinding, *, now: Micros
) -> ActingAnswer:
    """Return what is known, or which budget is spent where nothing is.

    Raises:
        InvalidField: the candidate acts on nothing.
    """
    rules = required(experiment).rules
    if found.answer in STOPS:
        return found.answer
    if now - experiment.created_at >= rules.days * DAY:
        return ActingAnswer.OVER
    audits = store.audits(acting_purpose(experiment.experiment_id))
    if len(audits) >= rules.labels and not any(one.harmful is None for one in audits):
        return ActingAnswer.SPENT
    return found.answer


def step(
    store: GuardrailStore,
    watched: Callable[[Experiment], list[ActingPost]],
    policies: PolicySet,
    *,
    now: Micros,
    announce: Announce = silent,
) -> list[Experiment]:
    """Draw from days that have closed, and end what its own rules end; return the experiments that ended.

    `watched` reads the posts that one watches. A day after its last an experiment ends whatever can be read, and
    so does one whose policy is gone.

    Raises:
        StoreUnavailable: somebody else changed the records meanwhile; the next step finds what is left.
    """
    ended = []
    for name in [one.experiment_id for one in store.experiments() if is_acting(one)]:
        version = store.version
        experiment = next(one for one in store.experiments() if one.experiment_id == name)
        policy = policies.named(experiment.policy)
        if not is_acting(experiment):
            continue
        late = now - experiment.created_at >= (required(experiment).rules.days + 1) * DAY
        if policy is None or late:
            reason = "its policy is gone" if policy is None else STOPS[ActingAnswer.OVER]
            ended.append(_end(store, experiment, ActingAnswer.OVER, reason, now=now, version=version))
            continue
        posts = watched(experiment)
        cap = policy.most_views
        drawn = draw_closed_days(
            store, experiment, posts, cap=cap, now=now, version=version, announce=announce
        )
        found = acting_finding(store, drawn, posts, cap=cap)
        version += drawn is not experiment
        if (one := stopped_by_rule(store, drawn, found, now=now, version=version)) is not None:
            ended.append(one)
    return ended


def ended_at(experiment: Experiment, now: Micros) -> Micros:
    """Return until when a candidate acted: until now, or until it was stopped."""
    return now if experiment.state is ExperimentState.RUNNING else experiment.changed_at


def is_acting(experiment: Experiment) -> bool:
    """Tell whether a candidate acts now."""
    return experiment.state is ExperimentState.RUNNING and experiment.acting is not None


def stopped_by_rule(
    store: GuardrailStore, experiment: Experiment, found: ActingFinding, *, now: Micros, version: int
) -> Experiment | None:
    """End an experiment if a rule of its own says so; return it then, with the reason.

    Raises:
        StoreUnavailable: somebody else was faster; nothing was done.
    """
    acting = required(experiment)
    answer = answer_of(store, experiment, found, now=now)
    if answer is acting.answer and answer not in STOPS:
        return None
    told = msgspec.structs.replace(experiment, acting=msgspec.structs.replace(acting, answer=answer))
    if answer not in STOPS:
        store.apply(Change(experiments=(told,)), Effects(), seen=version)
        return None
    reason = STOPS[answer].format(", ".join(_guards(found)))
    return _end(store, experiment, answer, reason, now=now, version=version)


def _end(
    store: GuardrailStore,
    experiment: Experiment,
    answer: ActingAnswer,
    reason: str,
    *,
    now: Micros,
    version: int,
) -> Experiment:
    ended = msgspec.structs.replace(
        experiment,
        acting=msgspec.structs.replace(required(experiment), answer=answer),
        state=ExperimentState.STOPPED,
        changed_at=now,
        reason=f"By its own rule: {reason}.",
    )
    store.apply(
        Change(experiments=(ended,)),
        Effects(audit=(note_of(OURSELVES, "experiment.stopped", ended),)),
        seen=version,
    )
    return ended


def _guards(found: ActingFinding) -> list[str]:
    named = {"reports": found.reports, "appeals": found.appeals, "what the heavy model reads": found.heavy}
    return [name for name, one in named.items() if one.out_of_bounds]


def required(experiment: Experiment) -> Acting:
    """Return how a candidate acts.

    Raises:
        InvalidField: it acts on nothing.
    """
    if experiment.acting is None:
        raise InvalidField(
            "The candidate of this experiment acts on nothing.",
            field="experiment",
            remedy="`sievert experiment create --acting SHARE` lets one act.",
        )
    return experiment.acting


def _as_judged(audit: Audit, before: Audit | None, now: Micros) -> Audit:
    """Return a draw with what people found when the same post was drawn before."""
    if before is None or before.harmful is None:
        return audit
    return msgspec.structs.replace(audit, state=AuditState.SETTLED, harmful=before.harmful, settled_at=now)


def _would(experiment: Experiment, one: ActingPost) -> tuple[bool, bool]:
    """Tell whether the candidate, and whether the control, would remove a post."""
    other = one.acted.other or 0.0
    candidate, control = (one.p, other) if one.acted.arm is Arm.CANDIDATE else (other, one.p)
    return candidate >= experiment.candidate_line, control >= experiment.control_line


def _capped(one: ActingPost, cap: float, *, before: Micros | None = None) -> float:
    """Return the views of a post, of one day at most the cap."""
    return sum(min(float(count), cap) for day, count in one.views.items() if before is None or day < before)


def _drawn(
    store: GuardrailStore,
    experiment: Experiment,
    posts: Sequence[ActingPost],
    *,
    day: Micros,
    count: int,
    place: int,
    cap: float,
    now: Micros,
) -> list[Audit]:
    some = [one for one in posts if one.views.get(day, 0) > 0]
    if not some:
        return []
    views = np.array([min(float(one.views[day]), cap) / one.acted.chance for one in some])
    likelier = np.clip([max(one.p, one.acted.other or 0.0) for one in some], 0.0, 1.0)
    purpose = acting_purpose(experiment.experiment_id)
    made = draw(
        [one.decision.decision_id for one in some],
        views_sqrt_p(views, likelier),
        key=key_for(store.key(), purpose=f"{purpose} {day}"),
        count=count,
    )
    return [
        audit_of(
            PostKey(experiment.platform, some[row].decision.post_id, some[row].decision.revision),
            named=(experiment.experiment_id, "acting"),
            purpose=purpose,
            policy=experiment.policy,
            by=AuditBy.VIEWS,
            place=place + number,
            probability=chance,
            p=float(likelier[row]),
            views=float(views[row]),
            secret=store.key(),
            now=now,
            decision=some[row].decision.decision_id,
            day=day,
        )
        for number, (row, chance) in enumerate(
            zip(made.rows.tolist(), made.probability.tolist(), strict=True)
        )
    ]
