"""Dead letters: webhook messages that nobody took, and a second chance for them."""

import asyncio
from typing import Annotated

import msgspec
from litestar import get, post
from litestar.params import FromPath, QueryParameter
from msgspec import Meta

from sievert.errors import NotFound
from sievert.schema.access import AuditNote
from sievert.schema.clock import Micros
from sievert.serving.callers import caller_of
from sievert.serving.routes.posts import AnyRequest, TheDoors

RESEND = "/api/v1/webhooks/{id}:resend"
"""As people write it; the framework's own pattern cannot end in a word behind a parameter."""

_VERB = ":resend"


MessageId = Annotated[str, Meta(description="the message's id, the same over all attempts")]


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A message that was given up."""

    message_id: MessageId
    kind: Annotated[str, Meta(description="what it tells")]
    created_at: Annotated[Micros, Meta(description="when it was written")]
    attempts: Annotated[int, Meta(description="how often it was sent")]
    last_error: Annotated[str, Meta(description="why nobody took it the last time")]


class DeadLetters(msgspec.Struct, frozen=True, kw_only=True):
    """Dead letters, newest first."""

    items: Annotated[list[DeadLetter], Meta(description="the letters")]


class Resent(msgspec.Struct, frozen=True, kw_only=True):
    """A message that is sent again."""

    message_id: MessageId
    state: Annotated[str, Meta(description="pending: it waits to be sent")]


@get(
    "/api/v1/webhooks/dead",
    opt={"scope": "webhooks:read"},
    summary="List dead letters",
    description="Webhook messages that were given up, newest first.",
)
async def dead(
    doors: TheDoors, limit: Annotated[int, QueryParameter(ge=1, le=1000, description="letters at most")] = 100
) -> DeadLetters:
    """Return the dead letters."""
    found = await asyncio.to_thread(doors.stores.outbox.dead, limit)
    return DeadLetters(
        items=[
            DeadLetter(
                message_id=message.message_id,
                kind=message.kind,
                created_at=message.created_at,
                attempts=message.attempts,
                last_error=message.last_error,
            )
            for message in found
        ]
    )


@post(
    "/api/v1/webhooks/{target:str}",
    status_code=200,
    opt={"scope": "webhooks:write"},
    summary="Send a message again",
    description="A dead letter, or one that was delivered within seven days. It gets all its attempts anew; id and body stay the same.",
)
async def resend(request: AnyRequest, doors: TheDoors, target: FromPath[str]) -> Resent:
    """Revive a dead letter."""
    message_id = target.removesuffix(_VERB)
    if message_id == target:
        raise NotFound("There is nothing at this address.", remedy=f"Resending is POST {RESEND}.")
    await asyncio.to_thread(doors.stores.outbox.revive, message_id, doors.clock.now())
    note = AuditNote(actor=caller_of(request).actor, event="webhook.resent", subject=message_id)
    await asyncio.to_thread(doors.stores.audit.append, [note])
    doors.nudge()
    return Resent(message_id=message_id, state="pending")
