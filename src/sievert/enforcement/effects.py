"""What a batch of decisions sets in motion: one action a post, and its line in the audit log."""

from sievert.schema.access import AuditNote
from sievert.schema.action import Action, ActionKind
from sievert.schema.batch import DecidedBatch, PostBatch
from sievert.schema.clock import Micros
from sievert.schema.identity import derived_id


def actions_for(posts: PostBatch, decided: DecidedBatch, *, now: Micros) -> tuple[Action, ...]:
    """Return the actions that the decisions call for, in the order of the batch."""
    wanted = [(row, ActionKind.DEMOTE, policy) for row, policy in decided.demoted_for.items()]
    wanted += [(row, ActionKind.REMOVE, policy) for row, policy in decided.removed_for.items()]
    wanted += [(row, ActionKind.ISOLATE, policy) for row, policy in decided.isolated_for.items()]
    actions = []
    for row, kind, policy in sorted(wanted):
        post = posts.posts[row]
        decision = posts.decision_id(row)
        actions.append(
            Action(
                action_id=derived_id("a", decision, kind),
                decision_id=decision,
                platform=post.platform,
                post_id=post.id,
                revision=post.revision,
                kind=kind,
                policy=policy,
                performed_at=now,
            )
        )
    return tuple(actions)


def audit_notes(actions: tuple[Action, ...]) -> tuple[AuditNote, ...]:
    """Return what the audit log shall say of these actions."""
    return tuple(
        AuditNote(
            actor="sievert",
            event=f"action.{action.kind}",
            subject=f"{action.platform}/{action.post_id}/{action.revision}",
            details={"action": action.action_id, "decision": action.decision_id, "policy": action.policy},
        )
        for action in actions
    )
