"""The webhook messages about actions, cases and appeals (Standard Webhooks): exact bytes, written once.

The bytes are made here and stored with the decision, so that every attempt sends and signs the same.
A message never holds a post's text.
"""

from collections.abc import Iterable

import msgspec

from sievert.schema.action import Action, Case, OutboxMessage
from sievert.schema.bank import MINORS_POLICY
from sievert.schema.clock import Micros, to_text
from sievert.schema.limit import AccountLimit
from sievert.schema.review import Appeal

ACTION_PERFORMED = "action.performed"
CASE_OPENED = "case.opened"
ACCOUNT_LIMITED = "account.limited"
ACCOUNT_FREED = "account.freed"
APPEAL_DECIDED = "appeal.decided"


def messages_for(actions: Iterable[Action], cases: Iterable[Case]) -> tuple[OutboxMessage, ...]:
    """Return one message for each action and each case; of cases about isolated posts none goes out."""
    messages = [
        _message(ACTION_PERFORMED, action.action_id, action.performed_at, action) for action in actions
    ]
    messages += [
        _message(CASE_OPENED, case.case_id, case.opened_at, case)
        for case in cases
        if case.policy != MINORS_POLICY
    ]
    return tuple(messages)


def limit_messages(limits: Iterable[AccountLimit]) -> tuple[OutboxMessage, ...]:
    """Return one message for each limit that is imposed or lifted."""
    return tuple(
        _message(ACCOUNT_LIMITED, one.limit_id, one.imposed_at, one)
        if one.lifted_at is None
        else _message(ACCOUNT_FREED, f"{one.limit_id}_freed", one.lifted_at, one)
        for one in limits
    )


def appeal_message(appeal: Appeal, *, at: Micros) -> OutboxMessage:
    """Return the message that says how an appeal was decided, without what its author said."""
    return _message(APPEAL_DECIDED, appeal.appeal_id, at, msgspec.structs.replace(appeal, statement=""))


def _message(
    kind: str, subject_id: str, at: Micros, record: Action | Case | AccountLimit | Appeal
) -> OutboxMessage:
    body = {"type": kind, "timestamp": to_text(at), "data": msgspec.to_builtins(record)}
    return OutboxMessage(
        message_id=f"msg_{subject_id}",
        kind=kind,
        created_at=at,
        body=msgspec.json.encode(body),
        next_attempt_at=at,
    )
