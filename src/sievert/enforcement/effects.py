"""What a batch of decisions sets in motion: one action a post, and its line in the audit log."""

from collections.abc import Container

from sievert.schema.access import AuditNote
from sievert.schema.action import Action, ActionKind
from sievert.schema.batch import DecidedBatch, PostBatch
from sievert.schema.clock import DAY, Micros
from sievert.schema.identity import derived_id
from sievert.schema.policy import PolicySet


def actions_for(
    posts: PostBatch, decided: DecidedBatch, *, now: Micros, policies: PolicySet, copies: Container[int] = ()
) -> list[tuple[int, Action]]:
    """Return the actions that the decisions call for, each with its row, in the order of the batch.

    A demotion expires after the days that its policy states. `copies` are rows that are demoted as copies.
    """
    wanted = [(row, ActionKind.DEMOTE, policy) for row, policy in decided.demoted_for.items()]
    wanted += [(row, ActionKind.REMOVE, policy) for row, policy in decided.removed_for.items()]
    wanted += [(row, ActionKind.ISOLATE, policy) for row, policy in decided.isolated_for.items()]
    actions = []
    for row, kind, policy in sorted(wanted):
        post = posts.posts[row]
        decision = posts.decision_id(row)
        action = Action(
            action_id=derived_id("a", decision, kind),
            decision_id=decision,
            platform=post.platform,
            post_id=post.id,
            revision=post.revision,
            kind=kind,
            policy=policy,
            performed_at=now,
            expires_at=_expiry(policies, policy, now) if kind is ActionKind.DEMOTE else None,
            creator_id=post.creator_id,
            as_copy=kind is ActionKind.DEMOTE and row in copies,
        )
        actions.append((row, action))
    return actions


def audit_notes(actions: tuple[Action, ...]) -> tuple[AuditNote, ...]:
    """Return what the audit log shall say of these actions."""
    return tuple(
        AuditNote(
            actor=action.by,
            event=f"action.{action.kind}",
            subject=f"{action.platform}/{action.post_id}/{action.revision}",
            details=_details(action),
        )
        for action in actions
    )


def _details(action: Action) -> dict[str, str]:
    details = {"action": action.action_id, "decision": action.decision_id, "policy": action.policy}
    return details | ({"undoes": ",".join(action.undoes)} if action.undoes else {})


def _expiry(policies: PolicySet, policy: str, now: Micros) -> Micros | None:
    named = policies.named(policy)
    if named is None or named.demotion_days is None:
        return None
    return now + round(named.demotion_days * DAY)
