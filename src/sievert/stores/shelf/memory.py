"""A shelf in this process, for tests and trials; it keeps everything until it is dropped."""

from collections.abc import Iterable, Sequence

from sievert.stores.shelf.base import Shelf


class MemoryShelf(Shelf):
    """Keeps bytes in dictionaries."""

    def __init__(self) -> None:
        """Start empty."""
        self._names: dict[str, dict[str, bytes]] = {}

    def put(self, name: str, field: str, value: bytes, *, seconds: int) -> None:
        """Keep it; nothing gets old here."""
        del seconds
        self._names.setdefault(name, {})[field] = value

    def get(self, wanted: Sequence[tuple[str, str]]) -> list[bytes | None] | None:
        """Look them up."""
        return [self._names.get(name, {}).get(field) for name, field in wanted]

    def drop(self, names: Iterable[str]) -> None:
        """Take them out."""
        for name in names:
            self._names.pop(name, None)

    def count(self, names: Iterable[str]) -> int:
        """Look them up."""
        return sum(name in self._names for name in names)

    def check(self) -> None:
        """Be there."""

    def close(self) -> None:
        """Nothing is held."""
