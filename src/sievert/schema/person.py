"""Person, Role and Session: who signs in, what their roles permit, and for how long they are let in."""

import enum
from collections.abc import Iterable

import msgspec

from sievert.schema.clock import Micros


class Role(enum.StrEnum):
    """What somebody does here; a person may have several roles."""

    MODERATOR = "moderator"
    POLICY_OWNER = "policy_owner"
    ENGINEER = "engineer"
    AUDITOR = "auditor"


ROLES: dict[Role, tuple[str, tuple[str, ...]]] = {
    Role.MODERATOR: (
        "works cases; sees pictures blurred and reveals them; may stop what is done automatically",
        # Not decisions:read: a second judge must not look up what was decided and found before.
        ("review:work", "media:read", "media:reveal", "switch:stop"),
    ),
    Role.POLICY_OWNER: (
        "answers for policies: certificates, banks, appeals, known answers, what is taken back, and who is forgotten",
        (
            "decisions:read",
            "media:read",
            "banks:read",
            "banks:write",
            "appeals:write",
            "policies:write",
            "actions:undo",
            "reviewers:read",
            "gold:write",
            "switch:stop",
            "switch:resume",
            "creators:forget",
        ),
    ),
    Role.ENGINEER: (
        "keeps it running: webhooks, switches, limits of accounts, metrics",
        (
            "decisions:read",
            "webhooks:read",
            "webhooks:write",
            "actions:undo",
            "switch:stop",
            "switch:resume",
        ),
    ),
    Role.AUDITOR: (
        "reads everything, the audit log too, and changes nothing",
        ("decisions:read", "audit:read", "media:read", "banks:read", "reviewers:read", "webhooks:read"),
    ),
}
"""What each role does, and the scopes that this takes. `isolation:read` is in none: the designated person has a key."""


def scopes_of(roles: Iterable[Role]) -> frozenset[str]:
    """Return what these roles permit together."""
    return frozenset(scope for role in roles for scope in ROLES[role][1])


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who signs in with a name and a password; of the password an Argon2id hash is kept."""

    person_id: str
    name: str
    password_hash: str
    roles: tuple[Role, ...]
    created_at: Micros
    disabled_at: Micros | None = None
    sign_outs: int = 0  # how often all their sessions were ended at once
    record_version: int = 1


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """That a browser is signed in: the SHA-256 of its token, whose it is, and when it ends at the latest.

    It counts as long as its `sign_outs` is the person's.
    """

    token_sha256: str
    session_id: str
    person_id: str
    sign_outs: int
    created_at: Micros
    seen_at: Micros
    expires_at: Micros
    record_version: int = 1
