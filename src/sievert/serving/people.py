"""Who may sign in, changed by whoever runs the server; each change stands in the audit log before it holds."""

import base64
import re
import secrets
from collections.abc import Sequence

import msgspec

from sievert.errors import InvalidField, NotFound
from sievert.schema.access import AuditNote
from sievert.schema.clock import Clock
from sievert.schema.person import Person, Role
from sievert.serving.passwords import check_password, hash_password
from sievert.serving.tokens import RandomBytes
from sievert.stores.audit import AuditLog
from sievert.stores.people import PeopleStore, name_taken

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
"""Names that look alike and are not cannot be made of these."""


class People:
    """Adds people, changes what they may do, and shuts them out."""

    def __init__(
        self,
        people: PeopleStore,
        audit: AuditLog,
        *,
        actor: str,
        clock: Clock,
        random_bytes: RandomBytes = secrets.token_bytes,
    ) -> None:
        """`actor` is whoever does it, as the audit log names them."""
        self._people = people
        self._audit = audit
        self._actor = actor
        self._clock = clock
        self._random_bytes = random_bytes

    def add(self, name: str, password: str, roles: Sequence[str]) -> Person:
        """Let somebody in from now on.

        Raises:
            InvalidField: name, password or roles are wrong, or the name is taken.
        """
        self.check_new(name, roles)
        check_password(password, name=name)
        person = Person(
            person_id=self._random_bytes(5).hex(),
            name=name,
            password_hash=hash_password(password),
            roles=roles_from(roles),
            created_at=self._clock.now(),
        )
        self._note("person.added", person, roles=",".join(person.roles))
        self._people.add(person)
        return person

    def check_new(self, name: str, roles: Sequence[str]) -> None:
        """Refuse a name and roles that nobody can be added with, before a password is asked for.

        Raises:
            InvalidField: the name is wrong or taken, or there is no such role.
        """
        roles_from(roles)
        if not NAME.fullmatch(name):
            raise InvalidField(
                "A name to sign in with has 1 to 64 letters, digits or . _ @ + - and begins with one of the first two.",
                field="name",
                remedy="Write it like ana or ana@example.org.",
            )
        if self._people.named(name) is not None:
            raise name_taken(name)

    def named(self, name: str) -> Person:
        """Return somebody by name.

        Raises:
            NotFound: there is nobody of that name.
        """
        person = self._people.named(name)
        if person is None:
            raise NotFound(
                f"There is nobody named {name[:64]!r}.",
                remedy="`sievert people list` shows everybody.",
                field="name",
            )
        return person

    def set_roles(self, name: str, roles: Sequence[str]) -> Person:
        """Give somebody these roles and no others; open sessions have them within a second.

        Raises:
            NotFound: there is nobody of that name.
            InvalidField: there is no such role.
        """
        chosen = roles_from(roles)
        person = self.named(name)
        self._note("person.roles_changed", person, before=",".join(person.roles), roles=",".join(chosen))
        return self._people.change(person.person_id, lambda one: msgspec.structs.replace(one, roles=chosen))

    def set_password(self, name: str, password: str) -> Person:
        """Give somebody a password; their sessions end.

        Raises:
            NotFound: there is nobody of that name.
            InvalidField: the password would be guessed.
        """
        person = self.named(name)
        check_password(password, name=person.name)
        return self.keep_password(person, hash_password(password))

    def keep_password(self, person: Person, password_hash: str) -> Person:
        """Keep the hash of somebody's new password; their sessions end."""
        self._note("person.password_changed", person)
        return self._people.change(
            person.person_id,
            lambda one: msgspec.structs.replace(
                one, password_hash=password_hash, sign_outs=one.sign_outs + 1
            ),
        )

    def disable(self, name: str) -> Person:
        """Shut somebody out; their sessions end.

        Raises:
            NotFound: there is nobody of that name.
        """
        person, now = self.named(name), self._clock.now()
        self._note("person.disabled", person)
        return self._people.change(
            person.person_id,
            lambda one: msgspec.structs.replace(one, disabled_at=now, sign_outs=one.sign_outs + 1),
        )

    def enable(self, name: str) -> Person:
        """Let somebody in again who was disabled; their old sessions stay ended.

        Raises:
            NotFound: there is nobody of that name.
        """
        person = self.named(name)
        self._note("person.enabled", person)
        return self._people.change(
            person.person_id, lambda one: msgspec.structs.replace(one, disabled_at=None)
        )

    def sign_out_everywhere(self, name: str) -> Person:
        """End all sessions of somebody.

        Raises:
            NotFound: there is nobody of that name.
        """
        person = self.named(name)
        self._note("person.signed_out_everywhere", person)
        return self._people.change(
            person.person_id, lambda one: msgspec.structs.replace(one, sign_outs=one.sign_outs + 1)
        )

    def _note(self, event: str, person: Person, **details: str) -> None:
        # Noted first: nobody may get in whom the log does not know.
        details = {"name": person.name, **details}
        self._audit.append(
            [AuditNote(actor=self._actor, event=event, subject=person.person_id, details=details)]
        )


def roles_from(names: Sequence[str]) -> tuple[Role, ...]:
    """Read names of roles.

    Raises:
        InvalidField: there is none, or no such role.
    """
    unknown = [name for name in names if name not in {*Role}]
    if unknown or not names:
        raise InvalidField(
            f"There is no role {', '.join(unknown)}." if unknown else "A person needs a role.",
            field="role",
            remedy=f"Roles are {', '.join(Role)}; `sievert people` says what they do.",
        )
    return tuple(role for role in Role if role in names)


def make_password(random_bytes: RandomBytes = secrets.token_bytes) -> str:
    """Return a password of 120 random bits that can be read out."""
    text = base64.b32encode(random_bytes(15)).decode().lower()
    return "-".join(text[start : start + 6] for start in range(0, len(text), 6))
