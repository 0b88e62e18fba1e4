"""Passwords: hashed with Argon2id (RFC 9106), slowly on purpose, and few at a time.

A hash states its own parameters; one with others than these is made anew when its owner signs in. Somebody
who does not exist is checked against a hash of nobody's, so that both answers cost the same.

Not covered: passwords that leaked elsewhere; nothing here asks other servers.
"""

import asyncio
import unicodedata
from collections.abc import Callable
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from sievert.errors import InvalidField, Overloaded

T = TypeVar("T")

MIN_CHARACTERS = 12
MAX_BYTES = 1024
"""Longer ones are refused before anything is computed of them."""

ITERATIONS, MEMORY_KIB, LANES = 3, 64 << 10, 1
"""RFC 9106's second recommendation, but for one lane: a sixth of a second of one core, 64 MiB."""

AT_ONCE, MAY_WAIT = 2, 16
"""So many passwords are hashed at once, 64 MiB each; so many wait; further ones are told to come back."""

_FEW_SIGNS = 5

_argon2id = PasswordHasher(time_cost=ITERATIONS, memory_cost=MEMORY_KIB, parallelism=LANES)


def check_password(password: str, *, name: str) -> None:
    """Refuse what would be guessed soon.

    Raises:
        InvalidField: it is too short, too long, of too few signs, or little but the name.
    """
    wrong = None
    if len(password.encode(errors="replace")) > MAX_BYTES:
        wrong = f"A password has at most {MAX_BYTES} bytes."
    elif len(password) < MIN_CHARACTERS:
        wrong = f"A password has at least {MIN_CHARACTERS} characters."
    elif len(set(password)) < _FEW_SIGNS:
        wrong = f"A password has at least {_FEW_SIGNS} different characters."
    elif len(password.casefold().replace(name.casefold(), "")) < MIN_CHARACTERS:
        wrong = f"A password has at least {MIN_CHARACTERS} characters beside the name of whose it is."
    if wrong:
        raise InvalidField(
            wrong, field="password", remedy="Take several words that have nothing to do with you."
        )


def hash_password(password: str) -> str:
    """Return what is kept of a password."""
    return _argon2id.hash(_one_spelling(password))


def is_password(password: str, kept: str) -> bool:
    """Tell whether this is the password that was kept so."""
    try:
        return _argon2id.verify(kept, _one_spelling(password))
    except (VerificationError, InvalidHashError):
        return False


def is_outdated(kept: str) -> bool:
    """Tell whether a hash was made with other parameters than we use now."""
    return _argon2id.check_needs_rehash(kept)


NOBODYS = f"$argon2id$v=19$m={MEMORY_KIB},t={ITERATIONS},p={LANES}${'A' * 22}${'A' * 43}"
"""A hash, all zeros, that is nobody's and costs what ours cost; no password is known that leads to it."""


class PasswordDesk:
    """Hashes and checks passwords in threads, a few at once; for one event loop."""

    def __init__(self) -> None:
        """Start with nobody waiting."""
        self._free = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def check(self, password: str, kept: str | None) -> bool:
        """Tell whether this is the password; where nobody has one, take as long and say no.

        Raises:
            Overloaded: too many wait.
        """
        if len(password.encode(errors="replace")) > MAX_BYTES:
            password, kept = "", None
        right = await self._slowly(lambda: is_password(password, kept or NOBODYS))
        return right and kept is not None

    async def hash(self, password: str) -> str:
        """Return what is kept of a password.

        Raises:
            Overloaded: too many wait.
        """
        return await self._slowly(lambda: hash_password(password))

    async def _slowly(self, work: Callable[[], T]) -> T:
        if self._waiting >= AT_ONCE + MAY_WAIT:
            raise Overloaded("Many people sign in right now.", remedy="Try again in a moment.", retry_after=2)
        self._waiting += 1
        try:
            async with self._free:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1


def _one_spelling(password: str) -> bytes:
    # The same sign may come as one code point or as two (NIST SP 800-63B, 3.1.1.2).
    return unicodedata.normalize("NFKC", password).encode(errors="surrogatepass")
