"""Action, Case and the messages about them: what a decision sets in motion."""

import enum

import msgspec

from sievert.schema.clock import Micros


class ActionKind(enum.StrEnum):
    """What can be done to content. Each is reversible; `demote` lowers its reach."""

    DEMOTE = "demote"
    REMOVE = "remove"


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """What was really done to a post, offered to the platform by webhook."""

    action_id: str
    decision_id: str
    platform: str
    post_id: str
    revision: int
    kind: str
    policy: str
    performed_at: Micros
    record_version: int = 1


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A review task for a person. `state` is open until a verdict closes it."""

    case_id: str
    decision_id: str
    platform: str
    post_id: str
    revision: int
    policy: str
    opened_at: Micros
    priority: float
    state: str = "open"
    record_version: int = 1


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
