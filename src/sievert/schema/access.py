"""ApiKey and AuditEntry: who may call, and what was done, in an order nobody can rewrite unseen."""

import msgspec

from sievert.schema.clock import Micros

SCOPES = (
    "posts:write",
    "events:write",
    "decisions:read",
    "media:read",
    "media:reveal",
    "banks:read",
    "banks:write",
    "isolation:read",
    "score",
    "labels:write",
    "review:work",
    "appeals:write",
    "operate",
    "admin",
)
"""posts:write submits posts; events:write tells what happened to them; decisions:read reads decisions, actions, cases, labels and the live stream;
media:read shows pictures blurred, media:reveal as they are; banks:read lists hash banks, but no entry of a
bank with minors; banks:write makes, fills and drops them; isolation:read lists isolated posts;
score has texts judged that are not recorded; labels:write says what texts really are;
review:work claims cases and gives verdicts; appeals:write files appeals against actions; operate re-sends
dead webhooks and sees how reviewers do; admin does everything and manages keys."""


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """An API key as it is kept: never the secret, only its SHA-256."""

    key_id: str
    name: str
    secret_sha256: str
    scopes: tuple[str, ...]
    created_at: Micros
    revoked_at: Micros | None = None


class AuditNote(msgspec.Struct, frozen=True, kw_only=True):
    """What shall be written to the audit log; the log itself adds sequence, time and hashes."""

    actor: str
    event: str
    subject: str
    details: dict[str, str] = {}


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the append-only, hash-chained audit log.

    `digest` is the SHA-256 of the line's own bytes, which name the digest of the line before as
    `previous`; it stands beside the line and not in it.
    """

    sequence: int
    at: Micros
    actor: str
    event: str
    subject: str
    previous: str
    details: dict[str, str] = {}
    digest: str = ""
    record_version: int = 1
