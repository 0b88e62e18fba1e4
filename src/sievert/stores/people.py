"""People who sign in, and their sessions: of passwords and tokens nothing is kept but hashes.

Whatever ends all sessions of a person counts their `sign_outs` up in the same transaction, and a session
of an older count is none: nothing that was begun before can slip in behind.
"""

import abc
from collections.abc import Callable

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from sievert.errors import InvalidField, NotFound
from sievert.schema.clock import Micros
from sievert.schema.person import Person, Session
from sievert.stores.database import Database
from sievert.stores.people_tables import people, sessions

MOST_SESSIONS = 20
"""A person has at most so many at once; a further one ends the oldest."""

Change = Callable[[Person], Person]
"""Makes of a person as they are now what they shall be."""


class PeopleStore(abc.ABC):
    """Keeps people and sessions. Names are told apart without regard to case."""

    @abc.abstractmethod
    def add(self, person: Person) -> None:
        """Keep a person.

        Raises:
            InvalidField: the name is taken.
        """

    @abc.abstractmethod
    def named(self, name: str) -> Person | None:
        """Return the person with this name, disabled or not."""

    @abc.abstractmethod
    def all(self) -> list[Person]:
        """Return all people by name, disabled ones too."""

    @abc.abstractmethod
    def change(self, person_id: str, change: Change) -> Person:
        """Change a person at one stroke; sessions that do not count any more are dropped with it.

        Raises:
            NotFound: there is no such person.
        """

    @abc.abstractmethod
    def begin(self, session: Session) -> bool:
        """Keep a session; False where its person was disabled or signed out everywhere meanwhile."""

    @abc.abstractmethod
    def find(self, token_sha256: str) -> tuple[Session, Person] | None:
        """Return the session with this hash and whose it is, if it counts; whether it expired is not asked."""

    @abc.abstractmethod
    def touch(self, token_sha256: str, seen_at: Micros) -> None:
        """Note when a session was last used."""

    @abc.abstractmethod
    def end(self, person_id: str, session_id: str) -> bool:
        """Drop a session of a person; False if there is none."""

    @abc.abstractmethod
    def sessions(self, person_id: str) -> list[Session]:
        """Return a person's sessions that count, newest first."""

    @abc.abstractmethod
    def forget_expired(self, now: Micros, *, unused_since: Micros) -> int:
        """Drop sessions that expired or were not used since then; return how many."""


def key_of(name: str) -> str:
    """Return what two spellings of one name have in common."""
    return name.casefold()


def counts(session: Session, person: Person) -> bool:
    """Tell whether a session was not ended by something that ended all of them."""
    return person.disabled_at is None and session.sign_outs == person.sign_outs


class MemoryPeople(PeopleStore):
    """Keeps both in dictionaries."""

    def __init__(self) -> None:
        """Start empty."""
        self._people: dict[str, Person] = {}
        self._sessions: dict[str, Session] = {}

    def add(self, person: Person) -> None:
        """Put it in."""
        if self.named(person.name) is not None:
            raise name_taken(person.name)
        self._people[person.person_id] = person

    def named(self, name: str) -> Person | None:
        """Walk the dictionary."""
        wanted = key_of(name)
        return next((one for one in self._people.values() if key_of(one.name) == wanted), None)

    def all(self) -> list[Person]:
        """Sort the values."""
        return sorted(self._people.values(), key=lambda one: key_of(one.name))

    def change(self, person_id: str, change: Change) -> Person:
        """Replace the person."""
        if person_id not in self._people:
            raise _unknown(person_id)
        person = self._people[person_id] = change(self._people[person_id])
        self._keep(lambda one: one.person_id != person_id or counts(one, person))
        return person

    def begin(self, session: Session) -> bool:
        """Put it in, and the oldest out."""
        person = self._people.get(session.person_id)
        if person is None or not counts(session, person):
            return False
        for old in self.sessions(session.person_id)[MOST_SESSIONS - 1 :]:
            del self._sessions[old.token_sha256]
        self._sessions[session.token_sha256] = session
        return True

    def find(self, token_sha256: str) -> tuple[Session, Person] | None:
        """Look both up."""
        session = self._sessions.get(token_sha256)
        if session is None or not counts(session, self._people[session.person_id]):
            return None
        return session, self._people[session.person_id]

    def touch(self, token_sha256: str, seen_at: Micros) -> None:
        """Replace the session."""
        if token_sha256 in self._sessions:
            session = self._sessions[token_sha256]
            self._sessions[token_sha256] = msgspec.structs.replace(session, seen_at=seen_at)

    def end(self, person_id: str, session_id: str) -> bool:
        """Take it out."""
        return bool(self._keep(lambda one: (one.person_id, one.session_id) != (person_id, session_id)))

    def sessions(self, person_id: str) -> list[Session]:
        """Filter the values."""
        return _newest_first([one for one in self._sessions.values() if one.person_id == person_id])

    def forget_expired(self, now: Micros, *, unused_since: Micros) -> int:
        """Filter the values."""
        return self._keep(lambda one: one.expires_at > now and one.seen_at > unused_since)

    def _keep(self, wanted: Callable[[Session], bool]) -> int:
        before = len(self._sessions)
        self._sessions = {digest: one for digest, one in self._sessions.items() if wanted(one)}
        return before - len(self._sessions)


class SqlPeople(PeopleStore):
    """Keeps both in the database."""

    def __init__(self, database: Database) -> None:
        """Speak of one database."""
        self._database = database

    def add(self, person: Person) -> None:
        """Insert a row."""
        with self._database.writing() as connection:
            name = key_of(person.name)
            if connection.execute(sa.select(people.c.person_id).where(people.c.name == name)).first():
                raise name_taken(person.name)
            row = {"person_id": person.person_id, "name": name, "record": msgspec.json.encode(person)}
            connection.execute(sa.insert(people), [row])

    def named(self, name: str) -> Person | None:
        """Query by name."""
        with self._database.reading() as connection:
            return _person(connection, people.c.name == key_of(name))

    def all(self) -> list[Person]:
        """Query all."""
        with self._database.reading() as connection:
            records = connection.execute(sa.select(people.c.record).order_by(people.c.name)).scalars().all()
        return [msgspec.json.decode(record, type=Person) for record in records]

    def change(self, person_id: str, change: Change) -> Person:
        """Read and write in one transaction."""
        with self._database.writing() as connection:
            before = _person(connection, people.c.person_id == person_id)
            if before is None:
                raise _unknown(person_id)
            person = change(before)
            connection.execute(
                sa.update(people)
                .where(people.c.person_id == person_id)
                .values(record=msgspec.json.encode(person))
            )
            stale = [one for one in _sessions(connection, person_id) if not counts(one, person)]
            _drop(connection, stale)
        return person

    def begin(self, session: Session) -> bool:
        """Look at the person and insert in one transaction."""
        with self._database.writing() as connection:
            person = _person(connection, people.c.person_id == session.person_id)
            if person is None or not counts(session, person):
                return False
            _drop(connection, _sessions(connection, session.person_id)[MOST_SESSIONS - 1 :])
            row = {name: getattr(session, name) for name in ("token_sha256", "session_id", "person_id")}
            row |= {"seen_at": session.seen_at, "expires_at": session.expires_at}
            connection.execute(sa.insert(sessions), [row | {"record": msgspec.json.encode(session)}])
        return True

    def find(self, token_sha256: str) -> tuple[Session, Person] | None:
        """Join both."""
        query = (
            sa.select(sessions.c.record, sessions.c.seen_at, people.c.record)
            .join(people, people.c.person_id == sessions.c.person_id)
            .where(sessions.c.token_sha256 == token_sha256)
        )
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        session, person = _session(row[0], row[1]), msgspec.json.decode(row[2], type=Person)
        return (session, person) if counts(session, person) else None

    def touch(self, token_sha256: str, seen_at: Micros) -> None:
        """Update the row."""
        with self._database.writing() as connection:
            connection.execute(
                sa.update(sessions).where(sessions.c.token_sha256 == token_sha256).values(seen_at=seen_at)
            )

    def end(self, person_id: str, session_id: str) -> bool:
        """Delete the row."""
        which = (sessions.c.person_id == person_id) & (sessions.c.session_id == session_id)
        with self._database.writing() as connection:
            return connection.execute(sa.delete(sessions).where(which)).rowcount > 0

    def sessions(self, person_id: str) -> list[Session]:
        """Query by person."""
        with self._database.reading() as connection:
            return _sessions(connection, person_id)

    def forget_expired(self, now: Micros, *, unused_since: Micros) -> int:
        """Delete by time."""
        old = (sessions.c.expires_at <= now) | (sessions.c.seen_at <= unused_since)
        with self._database.writing() as connection:
            return connection.execute(sa.delete(sessions).where(old)).rowcount


def _person(connection: Connection, which: sa.ColumnElement[bool]) -> Person | None:
    record = connection.execute(sa.select(people.c.record).where(which)).scalar()
    return msgspec.json.decode(record, type=Person) if record else None


def _sessions(connection: Connection, person_id: str) -> list[Session]:
    rows = connection.execute(
        sa.select(sessions.c.record, sessions.c.seen_at).where(sessions.c.person_id == person_id)
    ).all()
    return _newest_first([_session(record, seen_at) for record, seen_at in rows])


def _session(record: bytes, seen_at: Micros) -> Session:
    # When it was last seen stands in a column alone: it changes, and the record does not.
    return msgspec.structs.replace(msgspec.json.decode(record, type=Session), seen_at=seen_at)


def _drop(connection: Connection, old: list[Session]) -> None:
    digests = [one.token_sha256 for one in old]
    connection.execute(sa.delete(sessions).where(sessions.c.token_sha256.in_(digests)))


def _newest_first(found: list[Session]) -> list[Session]:
    return sorted(found, key=lambda one: (one.created_at, one.session_id), reverse=True)


def name_taken(name: str) -> InvalidField:
    """Return what is said where a name is taken."""
    return InvalidField(
        f"There is somebody named {name} already.",
        field="name",
        remedy="Choose another name; `sievert people list` shows those that are taken.",
    )


def _unknown(person_id: str) -> NotFound:
    return NotFound(
        f"There is no person {person_id!r}.", remedy="List them with `sievert people list`.", field="person"
    )
