"""Who hears of the guardrail: cases go out as webhooks where somebody listens, an alarm is always written."""

from collections.abc import Callable, Iterable

import msgspec

from sievert.schema.action import Action, Case, OutboxMessage
from sievert.schema.clock import Micros, to_text
from sievert.schema.guardrail import KeptCertificate

WITHDRAWN = "guardrail.withdrawn"
"""The kind of the message that a certificate was withdrawn."""

Announce = Callable[[Iterable[Action], Iterable[Case]], tuple[OutboxMessage, ...]]
"""Returns the messages about actions and cases; `enforcement.messages.messages_for`, where somebody listens."""


def silent(actions: Iterable[Action], cases: Iterable[Case]) -> tuple[OutboxMessage, ...]:
    """Return no messages: nobody listens."""
    del actions, cases
    return ()


def alarm(kept: KeptCertificate, *, now: Micros) -> OutboxMessage:
    """Return the message that a certificate was withdrawn, with the reason in words."""
    data = {
        "policy": kept.certificate.policy,
        "platform": kept.certificate.platform,
        "certificate": kept.name,
        "withdrawn_at": now,
        "by": kept.changed_by,
        "reason": kept.reason,
    }
    return OutboxMessage(
        message_id=f"msg_withdrawn_{kept.name}",
        kind=WITHDRAWN,
        created_at=now,
        body=msgspec.json.encode({"type": WITHDRAWN, "timestamp": to_text(now), "data": data}),
        next_attempt_at=now,
    )
