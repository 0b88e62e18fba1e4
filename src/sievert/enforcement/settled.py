"""What a settled case sets in motion: what people found harmful goes, what they found harmless comes back.

A post is removed if it violates a live policy and is not removed yet; what was done for a judged policy that
it does not violate is taken back. Nothing is done for a policy that is not live but that earlier actions
end. What is isolated stays so: that is the designated person's to decide.
"""

from collections.abc import Container, Sequence

from sievert.schema.access import AuditNote
from sievert.schema.action import Action, ActionKind
from sievert.schema.identity import derived_id
from sievert.schema.review import Appeal, Settlement

_TAKEN_BACK = (ActionKind.DEMOTE, ActionKind.REMOVE)


def actions_for_settlement(
    settlement: Settlement, standing: Sequence[Action], *, live: Container[str]
) -> tuple[Action, ...]:
    """Return the actions that a settlement calls for; `standing` are those on the same revision of the post.

    `live` names the policies under which people's verdicts remove.
    """
    actions = []
    removing = next((policy for policy in settlement.violates if policy in live), None)
    if removing is not None and not any(one.kind == ActionKind.REMOVE for one in standing):
        actions.append(_action(settlement, ActionKind.REMOVE, removing))
    cleared = set(settlement.judged).difference(settlement.violates)
    # A removal for one policy stands as long as another calls for it.
    undone = [
        one
        for one in standing
        if one.policy in cleared
        and one.kind in _TAKEN_BACK
        and (removing is None or one.kind != ActionKind.REMOVE)
    ]
    for policy in dict.fromkeys(one.policy for one in undone):
        names = tuple(one.action_id for one in undone if one.policy == policy)
        actions.append(_action(settlement, ActionKind.RESTORE, policy, undoes=names))
    return tuple(actions)


def settlement_notes(
    settlement: Settlement, actions: Sequence[Action], appeal: Appeal | None = None
) -> tuple[AuditNote, ...]:
    """Return what the audit log shall say of a settlement and of what follows; no text is in it."""
    subject = f"{settlement.platform}/{settlement.post_id}/{settlement.revision}"
    notes = [
        AuditNote(
            actor=settlement.reviewer,
            event="case.settled",
            subject=subject,
            details={
                "case": settlement.case_id,
                "kind": settlement.kind,
                "violates": ",".join(settlement.violates),
                "judged": ",".join(settlement.judged),
                **({"lead": settlement.lead} if settlement.lead else {}),
            },
        )
    ]
    notes += [
        AuditNote(
            actor=one.by,
            event=f"action.{one.kind}",
            subject=subject,
            details={
                "action": one.action_id,
                "case": settlement.case_id,
                "decision": one.decision_id,
                "policy": one.policy,
            },
        )
        for one in actions
    ]
    if appeal is not None:
        notes.append(appeal_note(appeal, f"appeal.{appeal.state}", actor=settlement.reviewer))
    return tuple(notes)


def let_go_note(settlement: Settlement, action_ids: Sequence[str]) -> AuditNote:
    """Return what the audit log shall say of removals that waited for their time and are not done."""
    return AuditNote(
        actor=settlement.reviewer,
        event="removal.let_go",
        subject=f"{settlement.platform}/{settlement.post_id}",
        details={"actions": ",".join(action_ids)},
    )


def appeal_note(appeal: Appeal, event: str, *, actor: str) -> AuditNote:
    """Return what the audit log shall say of an appeal; its statement is not in it."""
    return AuditNote(
        actor=actor,
        event=event,
        subject=f"{appeal.platform}/{appeal.post_id}/{appeal.revision}",
        details={"appeal": appeal.appeal_id, "action": appeal.action_id, "policy": appeal.policy},
    )


def _action(settlement: Settlement, kind: ActionKind, policy: str, *, undoes: tuple[str, ...] = ()) -> Action:
    return Action(
        action_id=derived_id("a", settlement.case_id, kind, policy),
        decision_id=settlement.decision_id,
        platform=settlement.platform,
        post_id=settlement.post_id,
        revision=settlement.revision,
        kind=kind,
        policy=policy,
        performed_at=settlement.settled_at,
        by=settlement.reviewer,
        case_id=settlement.case_id,
        undoes=undoes,
    )
