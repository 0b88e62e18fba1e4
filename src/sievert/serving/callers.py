"""Who calls: a program with an API key, or a person who signed in. Routes ask for nothing else."""

import dataclasses
from typing import Any

from litestar.connection import ASGIConnection

from sievert.schema.access import ApiKey, with_implied
from sievert.schema.person import Person, Session, scopes_of

OPEN = "open"
"""Stands in a route's `scope` if it needs neither key nor session."""

ANY = "any"
"""Stands in a route's `scope` if every key and every session will do."""

SIGNED_IN = "signed in"
"""Stands in a route's `scope` if every session will do, and no key."""

KEY_IN_ADDRESS = "key_in_address"
"""Stands in a route's options if `?key=` in its address will do as well as the header."""

PAGE = "page"
"""Stands in the options of a route that answers with a page: without a session it leads to the sign-in,
refusals are pages too, and links from other sites may open it."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Whoever sent a request, and what they may do."""

    actor: str
    """As durable records name them: `key:ID` or `person:ID`."""
    name: str
    """As people read it."""
    scopes: frozenset[str]
    """With all that they imply."""
    person: Person | None = None
    session: Session | None = None
    csrf: str = ""
    """What a form must bring back; empty for keys, which need none."""

    def may(self, scope: str) -> bool:
        """Tell whether a route with this scope is open to them."""
        if scope == SIGNED_IN:
            return self.session is not None
        return scope in (OPEN, ANY) or scope in self.scopes


def with_key(key: ApiKey) -> Caller:
    """Return who calls with this key."""
    return Caller(actor=f"key:{key.key_id}", name=key.name, scopes=with_implied(key.scopes))


def signed_in(session: Session, person: Person, *, csrf: str) -> Caller:
    """Return who calls with this session."""
    return Caller(
        actor=f"person:{person.person_id}",
        name=person.name,
        scopes=with_implied(scopes_of(person.roles)),
        person=person,
        session=session,
        csrf=csrf,
    )


def caller_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Caller:
    """Return whom the gate let in."""
    caller: Caller = connection.state.caller
    return caller
