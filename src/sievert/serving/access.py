"""The gate: every route asks here who calls, with an API key or signed in, and what they may do.

Keys are made once and kept as hashes. A key reads `sk_<id>_<secret>`: the id names it in lists and logs, the
secret is 256 random bits; the store holds the hash of the whole key. People's sessions stand in `sessions.py`.

Not covered: how often a caller may call, and encryption on the way; put a TLS proxy in front.
"""

import asyncio
import functools
import hmac
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from sievert.errors import Forbidden, InvalidField, Unauthenticated
from sievert.schema.access import SCOPES, ApiKey
from sievert.schema.clock import SECOND, Clock, Micros
from sievert.serving.callers import KEY_IN_ADDRESS, OPEN, SIGNED_IN, Caller, with_key
from sievert.serving.forms import SAFE_METHODS, require_csrf, require_no_foreign_site, require_own_page
from sievert.serving.sessions import Sessions
from sievert.serving.tokens import RandomBytes, hashed, secret_text
from sievert.stores.keys import KeyStore

Admission = Callable[[], Awaitable[object]]
"""Asks once more whether a request's key or session still opens what it opened; raises if not."""

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
    text = f"sk_{key_id}_{secret_text(random_bytes(32))}"
    record = ApiKey(
        key_id=key_id,
        name=name.strip(),
        secret_sha256=hashed(text),
        scopes=tuple(dict.fromkeys(scopes)),
        created_at=clock.now(),
    )
    return text, record


class Gate:
    """Lets callers in, by key or by session, for every route.

    What it found it remembers for a second, so a revoked key ends within one. A request with both a key and
    a session is the key's.
    """

    def __init__(self, keys: KeyStore, *, clock: Clock, sessions: Sessions) -> None:
        """Ask this store and these sessions."""
        self._keys = keys
        self._clock = clock
        self._sessions = sessions
        self._known: dict[str, tuple[Micros, ApiKey]] = {}

    async def guard(self, connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        """Admit or refuse a request; a route that names no scope asks for admin."""
        assert isinstance(connection, Request)  # noqa: S101  there are no websockets here
        scope = handler.opt.get("scope", "admin")
        if scope == OPEN:
            return
        authorization = connection.headers.get("authorization")
        if handler.opt.get(KEY_IN_ADDRESS) and (given := connection.query_params.get("key")):
            authorization = f"Bearer {given}"
        token = None if authorization else self._sessions.token(connection)
        admit_to = functools.partial(self._admit, authorization, token)
        if token is None:
            connection.state.caller = await admit_to(scope=scope)
        else:
            connection.state.caller = await self._of_session(connection, token, scope=scope, opt=handler.opt)
        # For answers that go on for long: a key may be revoked meanwhile, a session end.
        connection.state.admit = functools.partial(admit_to, scope=scope)
        # For the one parameter of a route that asks for more than the route itself.
        connection.state.admit_to = admit_to

    async def _of_session(
        self, request: Request[Any, Any, Any], token: str, *, scope: str, opt: dict[str, Any]
    ) -> Caller:
        """Let a person in; what changes anything must come from a page that this session was given."""
        caller = _permitted(await self._sessions.caller(token), scope)
        if request.method in SAFE_METHODS:
            require_no_foreign_site(request, opt)
        else:
            require_own_page(request, origin=self._sessions.place.origin(request))
            await require_csrf(request, caller)
        return caller

    async def _admit(self, authorization: str | None, token: str | None, *, scope: str) -> Caller:
        """Return who has this key or this session.

        Raises:
            Unauthenticated: there is neither, or we do not know it.
            Forbidden: the scope is lacking.
        """
        if token is not None:
            return _permitted(await self._sessions.still(token), scope)
        return await self._with_key(authorization, scope=scope)

    async def _with_key(self, authorization: str | None, *, scope: str) -> Caller:
        kind, _, text = (authorization or "").partition(" ")
        text = text.strip()
        if kind.lower() != "bearer" or not _KEY.fullmatch(text):
            raise Unauthenticated(
                "This address needs an API key or a sign-in, and none came."
                if not authorization
                else "This is not an API key.",
                remedy="Sign in at /sign-in, or send the header Authorization: Bearer sk_...; "
                "`sievert keys add` makes a key.",
                field="Authorization",
            )
        key = await self._find(hashed(text))
        if key is None:
            raise Unauthenticated(
                "The API key is not known here, or was revoked.",
                remedy="Ask whoever runs the server for a key; `sievert keys add` makes one.",
                field="Authorization",
            )
        caller = with_key(key)
        if scope == SIGNED_IN:
            raise Forbidden(
                "This address is for people who signed in, and an API key came.",
                remedy="Open /sign-in in a browser.",
                field="Authorization",
            )
        if not caller.may(scope):
            raise Forbidden(
                f"The API key {key.key_id} lacks the scope {scope}.",
                remedy=f"Use a key with it: `sievert keys add NAME --scope {scope}`.",
                field="Authorization",
            )
        return caller

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


def _permitted(caller: Caller | None, scope: str) -> Caller:
    if caller is None:
        raise Unauthenticated("The sign-in has ended.", remedy="Sign in again at /sign-in.", field="Cookie")
    if not caller.may(scope):
        raise Forbidden(
            f"None of your roles permits {scope}.",
            remedy="Ask whoever runs the server for the role that you need; docs/people.md lists what they permit.",
            field="Cookie",
        )
    return caller
