"""What a shelf promises. Each implementation inherits one contract test.

What lies on a shelf can be made anew: it may be gone, or the shelf may not answer, and nobody waits for it.
Entries stand under a name and a field; all fields of a name go together.
"""

import abc
from collections.abc import Iterable, Sequence


class Shelf(abc.ABC):
    """Keeps bytes for a while."""

    @abc.abstractmethod
    def put(self, name: str, field: str, value: bytes, *, seconds: int) -> None:
        """Lay something down; its name stays for at least so long from now if nothing pushes it out."""

    @abc.abstractmethod
    def get(self, wanted: Sequence[tuple[str, str]]) -> list[bytes | None] | None:
        """Return what lies under names and fields, in their order; None altogether if the shelf does not answer."""

    @abc.abstractmethod
    def drop(self, names: Iterable[str]) -> None:
        """Take everything away that lies under these names.

        Raises:
            StoreUnavailable: it may still lie there.
        """

    @abc.abstractmethod
    def count(self, names: Iterable[str]) -> int:
        """Return under how many of these names anything lies.

        Raises:
            StoreUnavailable: the shelf does not answer.
        """

    @abc.abstractmethod
    def check(self) -> None:
        """See that the shelf answers.

        Raises:
            StoreUnavailable: it does not.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Let go of it."""
