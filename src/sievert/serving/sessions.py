"""Sessions of people: a random token in a cookie, of which the store has the hash.

A token is 256 random bits, made anew at every sign-in; one that a browser brings is never taken up. A
session ends after a while without requests, at the latest after `session_hours`, by signing out, and when
its person is disabled or gets another password. What was found is remembered for a second, as with keys.

Not covered: somebody who reads the cookie on the person's own machine is that person.
"""

import asyncio
import hmac
import re
import secrets
from typing import Any
from urllib.parse import urlsplit

import msgspec
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie

from sievert.errors import Unauthenticated
from sievert.schema.clock import SECOND, Clock, Micros
from sievert.schema.person import Person, Session
from sievert.serving.callers import Caller, signed_in
from sievert.serving.tokens import RandomBytes, hashed, secret_text
from sievert.stores.people import PeopleStore

_COOKIE = "sievert-session"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_REMEMBERED: Micros = SECOND
_REMEMBERED_SESSIONS = 1024
_NOTED_EVERY: Micros = 60 * SECOND
"""That a session is used is written down so often, and not with each request."""


class Place:
    """Where browsers think that this server is, and whether they come by TLS."""

    def __init__(self, public_url: str) -> None:
        """Believe the setting; if it is empty, what the server protocol says of each request.

        Uvicorn believes `X-Forwarded-Proto` of proxies on this machine, and of those in FORWARDED_ALLOW_IPS.
        """
        parts = urlsplit(public_url)
        self._origin = f"{parts.scheme}://{parts.netloc}".lower() if public_url else ""

    def origin(self, connection: ASGIConnection[Any, Any, Any, Any]) -> str:
        """Return the origin of our own pages, as browsers write it."""
        scheme, host = connection.scope.get("scheme", "http"), connection.headers.get("host", "")
        return self._origin or f"{scheme}://{host}".lower()

    def cookie_name(self, connection: ASGIConnection[Any, Any, Any, Any]) -> str:
        """Return the only name under which a session's token is taken.

        Browsers take a cookie named `__Host-` from this very host by TLS alone: no neighbour can put one in.
        """
        return f"__Host-{_COOKIE}" if self._by_tls(connection) else _COOKIE

    def cookie(self, connection: ASGIConnection[Any, Any, Any, Any], token: str) -> Cookie:
        """Return the cookie that carries a token; an empty one takes it away."""
        return Cookie(
            key=self.cookie_name(connection),
            value=token,
            path="/",
            secure=self._by_tls(connection),
            httponly=True,
            # Lax and not Strict: a link in a mail opens a case for whoever is signed in. What changes
            # anything asks for more than a cookie.
            samesite="lax",
            max_age=None if token else 0,
        )

    def _by_tls(self, connection: ASGIConnection[Any, Any, Any, Any]) -> bool:
        return self.origin(connection).startswith("https:")


def csrf_of(token: str) -> str:
    """Return what forms of a session bring back; it follows from the token, and the token not from it."""
    return secret_text(hmac.digest(token.encode(), b"sievert form", "sha256"))


def token_in(cookies: str, name: str) -> str | None:
    """Return the token that a Cookie header brings; None also where it brings several or something else.

    A neighbouring host can put a second cookie of the same name in: then nobody knows which is ours.
    """
    found = [
        value.strip()
        for part in cookies.split(";")
        for key, _, value in [part.partition("=")]
        if key.strip() == name
    ]
    return found[0] if len(found) == 1 and _TOKEN.fullmatch(found[0]) else None


class Sessions:
    """Begins, finds and ends sessions."""

    def __init__(
        self,
        people: PeopleStore,
        *,
        clock: Clock,
        place: Place,
        idle: Micros,
        longest: Micros,
        random_bytes: RandomBytes = secrets.token_bytes,
    ) -> None:
        """`idle` ends a session that nobody uses, `longest` every one."""
        self._people = people
        self._clock = clock
        self._idle = idle
        self._longest = longest
        self._random_bytes = random_bytes
        self._known: dict[str, tuple[Micros, Session, Person]] = {}
        self.place = place

    async def begin(self, person: Person) -> str:
        """Sign a person in who proved to be that person; return the token, which is told this once.

        Raises:
            Unauthenticated: they were disabled, or signed out everywhere, meanwhile.
        """
        token, now = secret_text(self._random_bytes(32)), self._clock.now()
        session = Session(
            token_sha256=hashed(token),
            session_id=self._random_bytes(8).hex(),
            person_id=person.person_id,
            sign_outs=person.sign_outs,
            created_at=now,
            seen_at=now,
            expires_at=now + self._longest,
        )
        if not await asyncio.to_thread(self._people.begin, session):
            raise Unauthenticated(
                "This person was signed out meanwhile.", remedy="Sign in again.", field="name"
            )
        return token

    def token(self, connection: ASGIConnection[Any, Any, Any, Any]) -> str | None:
        """Return the token that a request brings, known or not."""
        cookies = "; ".join(connection.headers.getall("cookie", []))
        return token_in(cookies, self.place.cookie_name(connection))

    async def caller(self, token: str) -> Caller | None:
        """Return who calls with this token, and note that the session is used."""
        digest, now = hashed(token), self._clock.now()
        found = await self._find(digest, now)
        if found is not None and now - found[0].seen_at >= _NOTED_EVERY:
            await asyncio.to_thread(self._people.touch, digest, now)
            found = msgspec.structs.replace(found[0], seen_at=now), found[1]
            if digest in self._known:
                self._known[digest] = (self._known[digest][0], *found)
        return None if found is None else signed_in(*found, csrf=csrf_of(token))

    async def still(self, token: str) -> Caller | None:
        """Return the same for a stream that is open already: that it goes on does not count as use."""
        found = await self._find(hashed(token), self._clock.now())
        return None if found is None else signed_in(*found, csrf=csrf_of(token))

    async def _find(self, digest: str, now: Micros) -> tuple[Session, Person] | None:
        known = self._known.pop(digest, None)
        if known is None or not known[0] <= now < known[0] + _REMEMBERED:
            kept = await asyncio.to_thread(self._people.find, digest)
            if kept is None or not hmac.compare_digest(kept[0].token_sha256, digest):
                return None
            if len(self._known) >= _REMEMBERED_SESSIONS:
                self._known.clear()
            known = (now, *kept)
        self._known[digest] = known
        _, session, person = known
        live = now < min(session.expires_at, session.seen_at + self._idle)
        return (session, person) if live else None

    async def end(self, person_id: str, session_id: str) -> bool:
        """End a session of a person, at once; False if there is none."""
        ended = await asyncio.to_thread(self._people.end, person_id, session_id)
        self.forget()
        return ended

    def forget(self) -> None:
        """Remember nothing: somebody was changed."""
        self._known.clear()

    def sweep(self) -> int:
        """Drop what has expired; return how much."""
        now = self._clock.now()
        return self._people.forget_expired(now, unused_since=now - self._idle)
