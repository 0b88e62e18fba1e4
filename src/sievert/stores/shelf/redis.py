"""A shelf in Redis, for any number of processes; needs the extra `scale`.

A shelf that does not answer costs a twentieth of a second, and is then left alone for a second: posts and
events must not wait for what can be made anew.

Not covered: a bound of its own. Give Redis `maxmemory` and `maxmemory-policy allkeys-lru`.
"""

import time
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

from sievert.errors import MissingExtra, StoreUnavailable
from sievert.stores.shelf.base import Shelf

ANSWER_SECONDS = 0.05
_CONNECT_SECONDS = 0.25
_LEFT_ALONE_SECONDS = 1.0


class RedisShelf(Shelf):
    """Keeps bytes in hashes of Redis, one a name."""

    def __init__(self, url: str, *, prefix: str, seconds: float = ANSWER_SECONDS) -> None:
        """Speak to a server; all names begin with `prefix`, so that others may use it too.

        `seconds` is how long an answer is waited for.

        Raises:
            MissingExtra: what speaks to Redis is not installed.
        """
        try:
            import redis  # noqa: PLC0415  an extra
        except ImportError as error:
            raise MissingExtra(
                f"Speaking to Redis needs {error.name}.", remedy="pip install 'sievert[scale]'"
            ) from error
        self._failures = (redis.RedisError, OSError)
        self._shown = urlsplit(url).netloc.rpartition("@")[2]
        self._prefix = prefix
        self._client: Any = redis.Redis.from_url(
            url, socket_timeout=seconds, socket_connect_timeout=_CONNECT_SECONDS, retry=None
        )
        self._away_until = 0.0

    def put(self, name: str, field: str, value: bytes, *, seconds: int) -> None:
        """Write a field of a hash, and how long the hash stays."""
        if time.monotonic() < self._away_until:
            return
        try:
            with self._client.pipeline(transaction=False) as pipeline:
                pipeline.hset(self._prefix + name, field, value)
                pipeline.expire(self._prefix + name, max(1, seconds))
                pipeline.execute()
        except self._failures:
            self._leave_alone()

    def get(self, wanted: Sequence[tuple[str, str]]) -> list[bytes | None] | None:
        """Read fields of hashes, all at once."""
        if not wanted:
            return []
        if time.monotonic() < self._away_until:
            return None
        try:
            with self._client.pipeline(transaction=False) as pipeline:
                for name, field in wanted:
                    pipeline.hget(self._prefix + name, field)
                found: list[bytes | None] = pipeline.execute()
        except self._failures:
            self._leave_alone()
            return None
        return found

    def drop(self, names: Iterable[str]) -> None:
        """Delete hashes, also while the shelf is left alone: this must be done."""
        some = [self._prefix + name for name in names]
        try:
            if some:
                self._client.delete(*some)
        except self._failures as error:
            raise self._unavailable(error) from error

    def count(self, names: Iterable[str]) -> int:
        """Ask which hashes are there."""
        some = [self._prefix + name for name in names]
        try:
            return int(self._client.exists(*some)) if some else 0
        except self._failures as error:
            raise self._unavailable(error) from error

    def check(self) -> None:
        """Ask for an answer."""
        try:
            self._client.ping()
        except self._failures as error:
            raise self._unavailable(error) from error

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def _leave_alone(self) -> None:
        self._away_until = time.monotonic() + _LEFT_ALONE_SECONDS

    def _unavailable(self, error: Exception) -> StoreUnavailable:
        return StoreUnavailable(
            f"Redis at {self._shown} does not answer: {' '.join(str(error).split())}.",
            remedy="Check `redis_url`, and that the server runs.",
        )
