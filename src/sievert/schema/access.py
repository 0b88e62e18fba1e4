"""ApiKey and AuditEntry: who may call, and what was done, in an order nobody can rewrite unseen."""

from collections.abc import Iterable
from typing import Annotated

import msgspec
from msgspec import Meta

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
    "actions:undo",
    "switch:stop",
    "switch:resume",
    "policies:write",
    "reviewers:read",
    "gold:write",
    "webhooks:read",
    "webhooks:write",
    "audit:read",
    "creators:forget",
    "operate",
    "admin",
)
"""posts:write submits posts; events:write tells what happened to them; decisions:read reads decisions, actions, cases, labels and the live stream;
media:read shows pictures blurred, media:reveal as they are; banks:read lists hash banks, but no entry of a
bank with minors; banks:write makes, fills and drops them; isolation:read lists isolated posts;
score has texts judged that are not recorded; labels:write says what texts really are;
review:work claims cases and gives verdicts; appeals:write files appeals against actions;
actions:undo takes actions back and lifts limits of accounts; switch:stop stops what is done automatically,
switch:resume with it lets it go on; policies:write withdraws certificates; reviewers:read sees how reviewers
do; gold:write makes known answers; webhooks:read lists dead messages, webhooks:write sends them again;
audit:read reads the audit log; creators:forget erases somebody who closed their account; operate is all from actions:undo to webhooks:write; admin does everything."""

IMPLIED: dict[str, tuple[str, ...]] = {
    "operate": SCOPES[SCOPES.index("actions:undo") : SCOPES.index("audit:read")],
    "admin": SCOPES,
}
"""What a scope holds beside itself."""


def with_implied(scopes: Iterable[str]) -> frozenset[str]:
    """Return these scopes with all that they hold."""
    return frozenset(held for scope in scopes for held in (scope, *IMPLIED.get(scope, ())))


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

    sequence: Annotated[int, Meta(description="its number, from 1 without a gap")]
    at: Annotated[Micros, Meta(description="when it was written")]
    actor: Annotated[str, Meta(description="who did it: key:ID, person:ID, or a part of Sievert")]
    event: Annotated[str, Meta(description="what was done")]
    subject: Annotated[str, Meta(description="to what")]
    previous: Annotated[str, Meta(description="the digest of the line before")]
    details: Annotated[dict[str, str], Meta(description="what else there is to say")] = {}
    digest: Annotated[str, Meta(description="the SHA-256 of this line")] = ""
    redacted: Annotated[
        bool,
        Meta(
            description="subject and details were erased as they led to somebody who was forgotten; a later "
            "line `audit.redacted` says so, and `digest` is that of the line as it was"
        ),
    ] = False
    record_version: Annotated[int, Meta(description="which shape of record this is")] = 1
