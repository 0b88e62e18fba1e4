"""Action, Case and the messages about them: what a decision sets in motion."""

import enum
from typing import Annotated

import msgspec
from msgspec import Meta

from sievert.schema.clock import Micros
from sievert.schema.decision import Match, Nearest, RecordVersion, Spans
from sievert.schema.media import Sha256
from sievert.schema.post import PlatformName, PostId, Revision

DecisionId = Annotated[str, Meta(description="the decision that set it in motion")]


class ActionKind(enum.StrEnum):
    """What can be done to content. Each is reversible; `demote` lowers its reach.

    `isolate` shows it to nobody but the designated person, whatever the platform's moderators may see.
    """

    DEMOTE = "demote"
    REMOVE = "remove"
    ISOLATE = "isolate"


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """What was really done to a post, offered to the platform by webhook."""

    action_id: Annotated[str, Meta(description="derived from the decision and the kind")]
    decision_id: DecisionId
    platform: PlatformName
    post_id: PostId
    revision: Revision
    kind: Annotated[
        str, Meta(description="what was done", extra_json_schema={"enum": [*map(str, ActionKind)]})
    ]
    policy: Annotated[str, Meta(description="the policy for which it was done")]
    performed_at: Annotated[Micros, Meta(description="when it was done")]
    record_version: RecordVersion = 1


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A review task for a person."""

    case_id: Annotated[str, Meta(description="derived from the decision")]
    decision_id: DecisionId
    platform: PlatformName
    post_id: PostId
    revision: Revision
    policy: Annotated[str, Meta(description="the policy that asks, and whose budget pays")]
    opened_at: Annotated[Micros, Meta(description="when it was opened")]
    priority: Annotated[float, Meta(description="the larger, the earlier somebody should look")]
    spans: Spans = ()
    nearest: Nearest = ()
    matches: Annotated[tuple[Match, ...], Meta(description="hashes in banks that the post is like")] = ()
    pictures: Annotated[
        tuple[Sha256, ...], Meta(description="its pictures; `GET /api/v1/media/{sha256}` shows one, blurred")
    ] = ()
    state: Annotated[str, Meta(description="open until a verdict closes it")] = "open"
    record_version: RecordVersion = 1


class OutboxMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One webhook message, durable before anything is acknowledged, sent at least once.

    `state` is pending, delivered or dead. `body` is the exact JSON that is signed and sent.
    """

    message_id: str
    kind: str
    created_at: Micros
    body: bytes
    state: str = "pending"
    attempts: int = 0
    next_attempt_at: Micros = 0
    last_error: str = ""
