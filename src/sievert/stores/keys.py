"""API keys: kept as the SHA-256 of 256 random bits, so that the store gives nothing away."""

import abc

import msgspec
import sqlalchemy as sa

from sievert.errors import NotFound
from sievert.schema.access import ApiKey
from sievert.schema.clock import Micros
from sievert.stores.database import Database
from sievert.stores.tables import keys


class KeyStore(abc.ABC):
    """Keeps API keys."""

    @abc.abstractmethod
    def add(self, key: ApiKey) -> None:
        """Keep a key."""

    @abc.abstractmethod
    def find(self, secret_sha256: str) -> ApiKey | None:
        """Return the key with this hash, if it was not revoked."""

    @abc.abstractmethod
    def list(self) -> list[ApiKey]:
        """Return all keys, revoked ones too."""

    @abc.abstractmethod
    def revoke(self, key_id: str, at: Micros) -> None:
        """Make a key worthless.

        Raises:
            NotFound: there is no such key.
        """


class MemoryKeyStore(KeyStore):
    """Keeps keys in a dictionary."""

    def __init__(self) -> None:
        """Start empty."""
        self._keys: dict[str, ApiKey] = {}

    def add(self, key: ApiKey) -> None:
        """Put it in."""
        self._keys[key.key_id] = key

    def find(self, secret_sha256: str) -> ApiKey | None:
        """Walk the dictionary."""
        found = (key for key in self._keys.values() if key.secret_sha256 == secret_sha256)
        return next((key for key in found if key.revoked_at is None), None)

    def list(self) -> list[ApiKey]:
        """Return the values."""
        return [*self._keys.values()]

    def revoke(self, key_id: str, at: Micros) -> None:
        """Replace the key."""
        if key_id not in self._keys:
            raise _unknown(key_id)
        self._keys[key_id] = msgspec.structs.replace(self._keys[key_id], revoked_at=at)


class SqlKeyStore(KeyStore):
    """Keeps keys in the database."""

    def __init__(self, database: Database) -> None:
        """Speak of one database."""
        self._database = database

    def add(self, key: ApiKey) -> None:
        """Insert a row."""
        row = {"key_id": key.key_id, "secret_sha256": key.secret_sha256, "record": msgspec.json.encode(key)}
        with self._database.writing() as connection:
            connection.execute(sa.insert(keys), [row])

    def find(self, secret_sha256: str) -> ApiKey | None:
        """Query by hash."""
        with self._database.reading() as connection:
            record = connection.execute(
                sa.select(keys.c.record).where(keys.c.secret_sha256 == secret_sha256)
            ).scalar()
        key = msgspec.json.decode(record, type=ApiKey) if record else None
        return key if key and key.revoked_at is None else None

    def list(self) -> list[ApiKey]:
        """Query all."""
        with self._database.reading() as connection:
            records = connection.execute(sa.select(keys.c.record)).scalars().all()
        found = [msgspec.json.decode(record, type=ApiKey) for record in records]
        return sorted(found, key=lambda key: (key.created_at, key.key_id))

    def revoke(self, key_id: str, at: Micros) -> None:
        """Rewrite the record."""
        with self._database.writing() as connection:
            record = connection.execute(sa.select(keys.c.record).where(keys.c.key_id == key_id)).scalar()
            if record is None:
                raise _unknown(key_id)
            key = msgspec.structs.replace(msgspec.json.decode(record, type=ApiKey), revoked_at=at)
            connection.execute(
                sa.update(keys).where(keys.c.key_id == key_id).values(record=msgspec.json.encode(key))
            )


def _unknown(key_id: str) -> NotFound:
    return NotFound(
        f"There is no key {key_id!r}.", remedy="List the keys with `sievert keys list`.", field="key"
    )
