"""What a store of pictures promises. Every one of them inherits one contract test.

A file is named by the SHA-256 of its bytes, so the same picture is kept once however often it is posted,
and what is read is checked against its name. What is kept has a time: when it was last put or touched.
Any thread may call, several at once.
"""

import abc
import hashlib
import re

from sievert.errors import StoreCorrupt
from sievert.schema.clock import Micros

_NAME = re.compile(r"[0-9a-f]{64}")


class MediaStore(abc.ABC):
    """Keeps the bytes of pictures by their hash."""

    def put(self, data: bytes) -> str:
        """Keep a file and return its name; what is kept already gets a new time.

        Raises:
            StoreUnavailable: it is not durable; nothing half-written can ever be read.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        self._put(sha256, data)
        return sha256

    def get(self, sha256: str) -> bytes | None:
        """Return a file, or None if it is not kept.

        Raises:
            StoreCorrupt: what is kept under this name is another file.
            StoreUnavailable: the store does not answer.
        """
        data = self._get(sha256) if is_name(sha256) else None
        if data is not None and hashlib.sha256(data).hexdigest() != sha256:
            raise StoreCorrupt(
                f"The picture {sha256} is not what was written.",
                remedy="Upload the same picture again; that writes the file anew.",
            )
        return data

    def holds(self, sha256: str) -> bool:
        """Tell whether a file is kept, without reading it.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        return is_name(sha256) and self._holds(sha256)

    def touch(self, sha256: str) -> bool:
        """Give what is kept a new time, as putting it again would; tell whether it is kept.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        return is_name(sha256) and self._touch(sha256)

    def drop(self, sha256: str) -> None:
        """Keep a file no longer, if it is kept.

        Raises:
            StoreUnavailable: it may still be there.
        """
        if is_name(sha256):
            self._drop(sha256)

    @abc.abstractmethod
    def forget(self, before: Micros) -> int:
        """Drop every file whose time lies before; return how many.

        Raises:
            StoreUnavailable: some may still be there.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Let go of what is open."""

    @abc.abstractmethod
    def _put(self, sha256: str, data: bytes) -> None: ...

    @abc.abstractmethod
    def _get(self, sha256: str) -> bytes | None: ...

    @abc.abstractmethod
    def _holds(self, sha256: str) -> bool: ...

    @abc.abstractmethod
    def _touch(self, sha256: str) -> bool: ...

    @abc.abstractmethod
    def _drop(self, sha256: str) -> None: ...


def is_name(text: str) -> bool:
    """Tell whether a text has the form of a file's name."""
    return bool(_NAME.fullmatch(text))
