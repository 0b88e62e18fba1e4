"""API keys: made once, kept as hashes, asked for at every address.

A key reads `sk_<id>_<secret>`: the id names it in lists and logs, the secret is 256 random bits. The
store holds the SHA-256 of the whole key; a fast hash is enough for a secret that cannot be guessed.

Not covered: how often a caller may call, and encryption on the way; put a TLS proxy in front.
"""

import asyncio
import base64
import functools
import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from sievert.errors import Forbidden, InvalidField, Unauthenticated
from sievert.schema.access import SCOPES, ApiKey
from sievert.schema.clock import SECOND, Clock, Micros
from sievert.stores.keys import KeyStore

OPEN = "open"
"""Stands in a route's `scope` if it needs no key."""

ANY = "any"
"""Stands in a route's `scope` if every key will do."""

Admission = Callable[[], Awaitable[object]]
"""Asks once more whether a request's key still opens what it opened; raises if not."""
KEY_IN_ADDRESS = "key_in_address"
"""Stands in a route's options if `?key=` in its address will do as well as the header."""

RandomBytes = Callable[[int], bytes]

_KEY = re.compile(r"sk_[0-9a-f]{10}_[A-Za-z0-9_-]{43}")
_REMEMBERED: Micros = SECOND
_REMEMBERED_KEYS = 1024


def make_key(
    *, name: str, scopes: Sequence[str], clock: Clock, random_bytes: RandomBytes
) -> tuple[str, ApiKey]:
    """Make a key; the text is told once, the record is kept.

    Raises:
        InvalidField: the name is empty, or there is no such scope.
    """
    if not name.strip() or len(name) > 100:
        raise InvalidField(
            "A key needs a name of at most 100 characters.", field="name", remedy="Say who uses it."
        )
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        raise InvalidField(
            f"There is no scope {', '.join(unknown)}." if unknown else "A key needs a scope.",
            field="scopes",
            remedy=f"Scopes are {', '.join(SCOPES)}.",
        )
    key_id = random_bytes(5).hex()
    secret = base64.urlsafe_b64encode(random_bytes(32)).decode().rstrip("=")
    text = f"sk_{key_id}_{secret}"
    record = ApiKey(
        key_id=key_id,
        name=name.strip(),
        secret_sha256=hashed(text),
        scopes=tuple(dict.fromkeys(scopes)),
        created_at=clock.now(),
    )
    return text, record


def hashed(text: str) -> str:
    """Return what the store keeps of a key."""
    return hashlib.sha256(text.encode()).hexdigest()


def permits(key: ApiKey, scope: str) -> bool:
    """Tell whether a key may do what needs this scope; admin may do everything."""
    return scope == ANY or scope in key.scopes or "admin" in key.scopes


class Gate:
    """Looks up keys. What it found it remembers for a second, so a revoked key ends within one."""

    def __init__(self, keys: KeyStore, *, clock: Clock) -> None:
        """Ask this store."""
        self._keys = keys
        self._clock = clock
        self._known: dict[str, tuple[Micros, ApiKey]] = {}

    async def admit(self, authorization: str | None, *, scope: str) -> ApiKey:
        """Return the key behind an Authorization header.

        Raises:
            Unauthenticated: there is no key, or we do not know it.
            Forbidden: it lacks the scope.
        """
        kind, _, text = (authorization or "").partition(" ")
        text = text.strip()
        if kind.lower() != "bearer" or not _KEY.fullmatch(text):
            raise Unauthenticated(
                "This address needs an API key, and none came."
                if not authorization
                else "This is not an API key.",
                remedy="Send the header Authorization: Bearer sk_...; `sievert keys add` makes a key.",
                field="Authorization",
            )
        key = await self._find(hashed(text))
        if key is None:
            raise Unauthenticated(
                "The API key is not known here, or was revoked.",
                remedy="Ask whoever runs the server for a key; `sievert keys add` makes one.",
                field="Authorization",
            )
        if not permits(key, scope):
            raise Forbidden(
                f"The API key {key.key_id} lacks the scope {scope}.",
                remedy=f"Use a key with it: `sievert keys add NAME --scope {scope}`.",
                field="Authorization",
            )
        return key

    async def _find(self, digest: str) -> ApiKey | None:
        now = self._clock.now()
        at, key = self._known.get(digest, (0, None))
        if key is None or not at <= now < at + _REMEMBERED:
            self._known.pop(digest, None)
            key = await asyncio.to_thread(self._keys.find, digest)
            if key is None or not hmac.compare_digest(key.secret_sha256, digest):
                return None
            if len(self._known) >= _REMEMBERED_KEYS:
                self._known.clear()
            self._known[digest] = (now, key)
        return key

    async def guard(self, connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        """Admit or refuse a request; a route that names no scope asks for admin."""
        scope = handler.opt.get("scope", "admin")
        if scope != OPEN:
            authorization = connection.headers.get("authorization")
            if handler.opt.get(KEY_IN_ADDRESS) and (given := connection.query_params.get("key")):
                authorization = f"Bearer {given}"
            admit = functools.partial(self.admit, authorization, scope=scope)
            connection.state.key_id = (await admit()).key_id
            # For answers that go on for long: a key may be revoked meanwhile.
            connection.state.admit = admit
            # For the one parameter of a route that asks for more than the route itself.
            connection.state.admit_to = functools.partial(self.admit, authorization)
