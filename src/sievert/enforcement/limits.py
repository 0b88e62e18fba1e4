"""Which accounts are limited: those of whose posts a policy had to remove several within some days.

Never by one post alone: a rule needs two removals of different posts at the least, all of which still stand.
An account has one limit under a policy at a time, whatever its cause. It ends by itself, and ends when so many of
the removals behind it are taken back that the rule would not hold any more. Accounts that are new or suddenly
change: `watching.py`.

Not covered: whoever begins anew under another name.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sievert.schema.access import AuditNote
from sievert.schema.action import Action
from sievert.schema.clock import DAY, Micros
from sievert.schema.identity import derived_id
from sievert.schema.limit import AccountLimit
from sievert.schema.policy import PolicySet


class Account(NamedTuple):
    """An account as one policy sees it."""

    platform: str
    creator_id: str
    policy: str


def accounts_of(actions: Sequence[Action]) -> list[Account]:
    """Return the accounts whose posts are removed by these actions, each once."""
    return [
        *dict.fromkeys(
            Account(one.platform, one.creator_id, one.policy)
            for one in actions
            if one.kind == "remove" and one.creator_id is not None
        )
    ]


def limits_for(
    removed: Mapping[Account, Sequence[Action]], policies: PolicySet, *, now: Micros
) -> tuple[AccountLimit, ...]:
    """Return the limits that the policies' rules ask for.

    `removed` are the standing removals of accounts that have no limit yet, those of this very batch included.
    """
    limits = []
    for account, actions in removed.items():
        policy = policies.named(account.policy)
        rule = policy.limit_after if policy is not None else None
        if rule is None:
            continue
        since = now - round(rule.within_days * DAY)
        # Revisions of one post are one post.
        posts = {one.post_id: one.action_id for one in actions if one.performed_at >= since}
        if len(posts) < rule.removed:
            continue
        because = tuple(posts.values())
        limits.append(
            AccountLimit(
                limit_id=derived_id("l", *account, because[-1]),
                platform=account.platform,
                creator_id=account.creator_id,
                policy=account.policy,
                posts_per_hour=rule.posts_per_hour,
                reach_delay_minutes=rule.reach_delay_minutes,
                because=because,
                needed=rule.removed,
                decision_id=actions[-1].decision_id,
                post_id=actions[-1].post_id,
                revision=actions[-1].revision,
                imposed_at=now,
                expires_at=now + round(rule.for_days * DAY),
            )
        )
    return tuple(limits)


def one_a_policy(*limits: Sequence[AccountLimit]) -> tuple[AccountLimit, ...]:
    """Return limits, of each account the first one under each policy."""
    first: dict[Account, AccountLimit] = {}
    for one in (one for some in limits for one in some):
        first.setdefault(Account(one.platform, one.creator_id, one.policy), one)
    return tuple(first.values())


def limit_note(limit: AccountLimit) -> AuditNote:
    """Return what the audit log shall say of a limit that is imposed or lifted."""
    return AuditNote(
        actor=limit.lifted_by or "sievert",
        event="account.freed" if limit.lifted_at is not None else "account.limited",
        subject=f"{limit.platform}/{limit.creator_id}",
        details={"limit": limit.limit_id, "policy": limit.policy, "cause": limit.cause},
    )
