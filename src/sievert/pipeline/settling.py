"""A verdict becomes a settlement, actions, messages, labels and lines of the audit log, in one durable step.

`review` says what the verdicts of a case come to, `enforcement` what follows; here they meet. What is
settled then counts for the post's creator and for those who reported it, as any verdict does; that is a
step of its own, which goes on where it stopped after a crash.

For the thread that walks the path: it reads the journal.
"""

import dataclasses
from collections.abc import Sequence

import msgspec

from sievert.enforcement.messages import appeal_message, messages_for
from sievert.enforcement.settled import actions_for_settlement, let_go_note, settlement_notes
from sievert.pipeline.copies import CopyNames
from sievert.pipeline.decode import to_batch
from sievert.pipeline.desk import Desk, contradicts, withdrawn_note
from sievert.pipeline.events import run_events
from sievert.pipeline.overtaking import until_first
from sievert.pipeline.path import NoObserver
from sievert.review.appeals import decided
from sievert.review.judging import given_before, settled_by, settled_with, verdict_on
from sievert.schema.access import AuditNote
from sievert.schema.action import Action, ActionKind, CaseKind
from sievert.schema.arm import Arm
from sievert.schema.batch import Effects
from sievert.schema.clock import Micros
from sievert.schema.decision import Decision
from sievert.schema.event import Verdict as VerdictEvent
from sievert.schema.identity import derived_id
from sievert.schema.label import APPEALED, AUDITED, REVIEWED, Label, label_id
from sievert.schema.policy import Mode, PolicySet
from sievert.schema.post import PostKey
from sievert.schema.review import Appeal, GoldAnswer, Settlement, Verdict

_SOURCES = {
    CaseKind.DECISION: REVIEWED,
    CaseKind.APPEAL: APPEALED,
    CaseKind.AUDIT: AUDITED,
    CaseKind.MEASUREMENT: AUDITED,
}
_AT_ONCE = 500


def give_verdict(
    desk: Desk,
    case_id: str,
    reviewer: str,
    *,
    violates: Sequence[str],
    judged: Sequence[str],
    note: str = "",
    given_at: Micros | None = None,
) -> Verdict:
    """Take what a reviewer found, with everything that follows from it; the same again gives the same answer.

    When this returns, all of it is durable. `given_at` is when they gave it, if not just now.

    Raises:
        CaseConflict: they do not have the case, or found something else before.
        InvalidField: the verdict does not fit the case.
        NotFound: there is no such case.
        StoreUnavailable: nothing of it is durable.
    """
    file = desk.reviews.case(case_id)
    known = given_before(file, reviewer, violates)
    if known is not None:
        return known
    now = desk.parts.clock.now()
    at = now if given_at is None else given_at
    verdict = verdict_on(file, reviewer=reviewer, violates=violates, judged=judged, now=at, note=note)
    settlement = settled_by(file, verdict, now=now)
    if settlement is None:
        desk.reviews.judge(verdict, before=len(file.verdicts))
        return verdict
    settlements = [settlement, *(settled_with(settlement, joined) for joined in file.joined)]
    settlements = [_with_versions(desk, one) for one in settlements]
    appeal = (
        decided(desk.reviews.appeal(settlement.about), settlement)
        if settlement.kind == CaseKind.APPEAL
        else None
    )
    desk.reviews.judge(
        verdict,
        before=len(file.verdicts),
        settlements=settlements,
        effects=_effects(desk, settlements, appeal),
        appeal=appeal,
    )
    if settlement.violates:
        _confirm(desk, settlement)
    return verdict


def count_settled(desk: Desk) -> int:
    """Count what was settled for creators and reporters, each settlement once; return how many there were.

    Where no models are at hand nothing is: what that calls for could not be decided there.

    Raises:
        StoreUnavailable: what was not counted is counted the next time.
    """
    if not desk.parts.bundle.has_models:
        return 0
    some = desk.reviews.settlements(after=desk.reviews.counted(), limit=_AT_ONCE)
    events = [
        VerdictEvent(
            id=derived_id("v", one.case_id, "settled"),
            platform=one.platform,
            at=one.settled_at,
            post_id=one.post_id,
            harmful=one.policy in one.violates,
            policy=one.policy,
        )
        for _, one in some
        if one.kind in (CaseKind.DECISION, CaseKind.APPEAL, CaseKind.AUDIT)
    ]
    if events:
        # Nobody waits for these: their time is no stage's.
        unwatched = dataclasses.replace(desk.parts, observer=NoObserver())
        records = [msgspec.json.encode(one) for one in events]
        until_first(lambda: run_events(records, unwatched))
    if some:
        desk.reviews.set_counted(some[-1][0])
    return len(some)


def removing_policies(policies: PolicySet) -> frozenset[str]:
    """Name the policies under which a person's verdict removes: live ones that may remove."""
    return frozenset(
        one.name for one in policies.policies if one.mode is Mode.LIVE and "remove" in one.live_actions
    )


def _effects(desk: Desk, settlements: Sequence[Settlement], appeal: Appeal | None) -> Effects:
    """Return everything that settlements set in motion."""
    live = removing_policies(desk.parts.policies)
    actions: list[Action] = []
    notes: list[AuditNote] = []
    released: list[str] = []
    withdrawn: list[str] = []
    keys = dict.fromkeys(map(_key, settlements))
    past = desk.standing.about([*keys])
    standing = {key: [state.action for state in past.get(key, ()) if state.stands] for key in keys}
    for one in settlements:
        waiting = _cleared(desk, one)
        released += waiting
        if waiting:
            notes.append(let_go_note(one, waiting))
        for answer in _no_longer_known(desk, one):
            withdrawn.append(answer.case_id)
            notes.append(withdrawn_note(answer, actor=one.reviewer, because=one.case_id))
        key = _key(one)
        called_for = actions_for_settlement(one, standing[key], live=live)
        # A post may have two cases that are settled together: what the one calls for the other finds done.
        standing[key] = _with(standing[key], called_for)
        actions += called_for
        notes += settlement_notes(one, called_for, appeal if one.case_id == settlements[0].case_id else None)
    messages = messages_for(actions, ())
    freed = Effects()
    if appeal is not None:
        if desk.parts.limiting is not None:
            freed = desk.parts.limiting.freed_by(
                appeal, by=settlements[0].reviewer, now=settlements[0].settled_at
            )
        messages = (*messages, appeal_message(appeal, at=settlements[0].settled_at))
    return Effects(
        actions=tuple(actions),
        messages=(*messages, *freed.messages) if desk.parts.announce else (),
        audit=(*notes, *freed.audit),
        limits=freed.limits,
        labels=tuple(label for one in settlements for label in labels_of(desk, one)),
        released=tuple(released),
        withdrawn=tuple(withdrawn),
    )


def _key(settlement: Settlement) -> PostKey:
    return PostKey(settlement.platform, settlement.post_id, settlement.revision)


def _with(standing: Sequence[Action], more: Sequence[Action]) -> list[Action]:
    """Return what stands once these actions are done as well."""
    undone = {name for one in more for name in one.undoes}
    new = [one for one in more if one.kind != ActionKind.RESTORE]
    return [one for one in (*standing, *new) if one.action_id not in undone]


def _confirm(desk: Desk, settlement: Settlement) -> None:
    """Let some copies of what somebody found harmful be removed before they are asked again."""
    parts = desk.parts
    post = parts.journal.post(settlement.platform, settlement.post_id, settlement.revision)
    if post is not None:
        alone = to_batch([post], [post.text.encode()], received_at=settlement.settled_at)
        (names,) = CopyNames(alone, parts.bundle.fold).of([0])
        parts.campaigns.confirm(names)


def _no_longer_known(desk: Desk, settlement: Settlement) -> list[GoldAnswer]:
    """Return the known answers about the same post that this says otherwise than."""
    known = desk.reviews.gold_about(settlement.platform, settlement.post_id)
    return [one for one in known if contradicts(settlement, one)]


def _cleared(desk: Desk, settlement: Settlement) -> list[str]:
    """Return the removals that wait for their time and are for a policy that the post was found not to violate."""
    if desk.delayed is None:
        return []
    cleared = set(settlement.judged).difference(settlement.violates)
    found = desk.delayed.of_post(settlement.platform, settlement.post_id)
    return [
        one.action.action_id
        for one in found
        if one.action.policy in cleared and one.action.revision == settlement.revision
    ]


def labels_of(desk: Desk, settlement: Settlement) -> tuple[Label, ...]:
    """Return a label for each judged policy, with the post's text where it is kept; test policies have none."""
    post = desk.parts.journal.post(settlement.platform, settlement.post_id, settlement.revision)
    tests = {one.name for one in desk.parts.policies.policies if one.test_only}
    source, created_at = _SOURCES[CaseKind(settlement.kind)], _created_at(desk, settlement)
    return tuple(
        Label(
            label_id=label_id(
                source=source,
                content_digest=settlement.content_digest,
                attribute=policy,
                key_id=settlement.case_id,
                received_at=settlement.settled_at,
            ),
            source=source,
            platform=settlement.platform,
            content_digest=settlement.content_digest,
            attribute=policy,
            policy=policy,
            value=float(policy in settlement.violates),
            received_at=settlement.settled_at,
            key_id=settlement.reviewer,
            text=post.text if post is not None else None,
            languages=(post.language,) if post is not None and post.language else (),
            post_id=settlement.post_id,
            revision=settlement.revision,
            created_at=created_at,
        )
        for policy in settlement.judged
        if policy not in tests
    )


def _with_versions(desk: Desk, settlement: Settlement) -> Settlement:
    """Say of what content, bundle and policies a settlement speaks."""
    newest = _newest(desk, settlement)
    versions = {one.name: one.version for one in desk.parts.policies.policies}
    bundle = desk.parts.bundle.version
    if newest is not None and newest.acted is not None and newest.acted.arm is Arm.CANDIDATE:
        bundle = newest.bundle  # it is the candidate that asks whether the answer still stands
    return msgspec.structs.replace(
        settlement,
        content_digest=newest.content_digest if newest is not None else "",
        bundle=bundle,
        policy_versions={name: versions[name] for name in settlement.judged if name in versions},
    )


def _created_at(desk: Desk, settlement: Settlement) -> int | None:
    newest = _newest(desk, settlement)
    if newest is None:
        return None
    return newest.created_at if newest.created_at is not None else newest.received_at


def _newest(desk: Desk, settlement: Settlement) -> Decision | None:
    trail = desk.parts.journal.trail(settlement.platform, settlement.post_id, settlement.revision, most=1)
    return trail[-1] if trail else None
