"""Signing in, and what people change about themselves.

A wrong name, a wrong password and somebody disabled get the same answer after the same work. The log says
who came and went; of failures it says as much as whoever runs the server can read: their number by name
at 1, 2, 4, 8 and so on, and no more than so many lines an hour whatever is tried. What was typed as a name
that nobody has is never noted: people type passwords there.
"""

import asyncio
import logging

import msgspec

from sievert.errors import InvalidField, Overloaded
from sievert.schema.access import AuditNote
from sievert.schema.clock import HOUR, Clock, Micros
from sievert.schema.person import Person
from sievert.serving.attempts import Attempts
from sievert.serving.callers import Caller
from sievert.serving.passwords import PasswordDesk, check_password, is_outdated
from sievert.serving.people import People
from sievert.serving.sessions import Sessions
from sievert.serving.telemetry import Metrics
from sievert.stores.audit import AuditLog
from sievert.stores.people import PeopleStore

FAILURES_NOTED_AN_HOUR = 60

_log = logging.getLogger("sievert.serving")


class SignIn:
    """Signs people in and out; for one event loop."""

    def __init__(
        self, people: PeopleStore, audit: AuditLog, *, sessions: Sessions, clock: Clock, metrics: Metrics
    ) -> None:
        """Work with these stores."""
        self._people = people
        self._audit = audit
        self._clock = clock
        self._metrics = metrics
        self._attempts = Attempts(clock=clock)
        self._passwords = PasswordDesk()
        self._noted: tuple[Micros, int] = (0, 0)
        self.sessions = sessions

    async def sign_in(self, name: str, password: str, *, address: str) -> tuple[Person, str]:
        """Return whoever shows this name and password, with the token of a new session.

        Raises:
            InvalidField: nobody may sign in so.
            Overloaded: too many attempts failed, or many people sign in right now.
        """
        person = await self._proven(name, password, address=address)
        if is_outdated(person.password_hash):
            person = await self._renew(person, password)
        token = await self.sessions.begin(person)
        await self._note(f"person:{person.person_id}", "person.signed_in", person.person_id)
        return person, token

    async def sign_out(self, caller: Caller) -> None:
        """End the session of whoever asks."""
        assert caller.session is not None  # noqa: S101  the route's scope says so
        await self.end(caller, caller.session.session_id)

    async def end(self, caller: Caller, session_id: str) -> None:
        """End a session of whoever asks, if they have it."""
        assert caller.person is not None  # noqa: S101  the route's scope says so
        if await self.sessions.end(caller.person.person_id, session_id):
            await self._note(caller.actor, "person.signed_out", caller.person.person_id)

    async def change_password(
        self, caller: Caller, *, current: str, new: str, again: str, address: str
    ) -> str:
        """Give whoever asks a new password, and end all their sessions; return the token of a new one.

        Raises:
            InvalidField: `current` is not their password, `again` is not `new`, or that would be guessed.
            Overloaded: as for signing in.
        """
        assert caller.person is not None  # noqa: S101  the route's scope says so
        check_password(new, name=caller.person.name)
        if new != again:
            raise InvalidField(
                "The new password was written in two ways.", field="again", remedy="Write it twice alike."
            )
        try:
            person = await self._proven(caller.person.name, current, address=address)
        except InvalidField as error:
            raise InvalidField(
                "The present password is another one.", field="current", remedy="Write it again."
            ) from error
        hashed = await self._passwords.hash(new)
        people = People(self._people, self._audit, actor=caller.actor, clock=self._clock)
        person = await asyncio.to_thread(people.keep_password, person, hashed)
        self.sessions.forget()
        return await self.sessions.begin(person)

    async def _proven(self, name: str, password: str, *, address: str) -> Person:
        """Return the person who has this name and password, for the price of one hash."""
        try:
            failures = self._attempts.begin(name=name, address=address)
        except Overloaded:
            self._metrics.sign_ins.labels("paused").inc()
            raise
        person = await asyncio.to_thread(self._people.named, name)
        right = await self._passwords.check(password, None if person is None else person.password_hash)
        if person is None or not right or person.disabled_at is not None:
            self._metrics.sign_ins.labels("refused").inc()
            await self._note_failure(person, failures, address)
            raise InvalidField("Name and password do not fit.", field="password", remedy="Write both again.")
        self._attempts.succeeded(name=name, address=address)
        self._metrics.sign_ins.labels("let in").inc()
        return person

    async def _renew(self, person: Person, password: str) -> Person:
        """Hash a password with the parameters of today, unless it was changed meanwhile."""
        before, hashed = person.password_hash, await self._passwords.hash(password)

        def renewed(now: Person) -> Person:
            return msgspec.structs.replace(now, password_hash=hashed) if now.password_hash == before else now

        after = await asyncio.to_thread(self._people.change, person.person_id, renewed)
        # Where the password was changed meanwhile, `person` is of before, and no session begins for them.
        return after if after.password_hash == hashed else person

    async def _note_failure(self, person: Person | None, failures: int, address: str) -> None:
        _log.warning("a sign-in from %s was refused", address)
        if failures & (failures - 1):
            return
        now = self._clock.now()
        began, noted = self._noted
        if not began <= now < began + HOUR:
            began, noted = now, 0
        self._noted = (began, noted + 1)
        if noted < FAILURES_NOTED_AN_HOUR:
            subject = "nobody" if person is None else person.person_id
            await self._note("nobody", "person.refused", subject, failures=str(failures))

    async def _note(self, actor: str, event: str, subject: str, **details: str) -> None:
        note = AuditNote(actor=actor, event=event, subject=subject, details=details)
        await asyncio.to_thread(self._audit.append, [note])
