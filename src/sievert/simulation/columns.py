"""Structs of arrays: dataclasses whose every field is an array with one row a thing."""

import dataclasses
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from sievert.schema.history import Int64s

Columns = TypeVar("Columns")


def joined(*several: Columns) -> Columns:
    """Return columns of one kind, one below the other."""
    first = several[0]
    names = [field.name for field in dataclasses.fields(first)]  # type: ignore[arg-type]  # a dataclass
    return type(first)(**{name: np.concatenate([getattr(one, name) for one in several]) for name in names})


def taken(columns: Columns, rows: npt.NDArray[Any]) -> Columns:
    """Return these rows, named by place or by a mask."""
    names = [field.name for field in dataclasses.fields(columns)]  # type: ignore[arg-type]  # a dataclass
    return type(columns)(**{name: getattr(columns, name)[rows] for name in names})


class Waiting(Generic[Columns]):
    """Rows that become due later, such as events that have not been received yet."""

    def __init__(self) -> None:
        """Begin empty."""
        self._held: Columns | None = None
        self._due: Int64s = np.empty(0, dtype=np.int64)

    def __len__(self) -> int:
        """Return how many rows wait."""
        return len(self._due)

    def exchange(self, columns: Columns, due: Int64s, *, before: int) -> Columns:
        """Add rows that are due at [n]; return all that are due before a moment, in the order of due."""
        if self._held is not None:
            columns, due = joined(self._held, columns), np.concatenate((self._due, due))
        ready = due < before
        order = np.flatnonzero(ready)
        order = order[np.argsort(due[order], kind="stable")]
        self._held, self._due = taken(columns, ~ready), due[~ready]
        return taken(columns, order)


class Ledger:
    """What is remembered of every post, in arrays that grow."""

    def __init__(self, **kinds: npt.DTypeLike) -> None:
        """Take the columns' names and types."""
        self._arrays: dict[str, npt.NDArray[Any]] = {
            name: np.empty(1024, dtype=kind) for name, kind in kinds.items()
        }
        self._count = 0

    def __len__(self) -> int:
        """Return how many rows there are."""
        return self._count

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        """Return a column [n]; writing into it writes into the ledger."""
        return self._arrays[name][: self._count]

    def append(self, **columns: npt.NDArray[Any]) -> None:
        """Add rows; every column must be there."""
        added = len(next(iter(columns.values())))
        end = self._count + added
        for name, array in self._arrays.items():
            held = array
            if end > len(held):
                held = np.empty(max(end, 2 * len(array)), dtype=array.dtype)
                held[: self._count] = array[: self._count]
                self._arrays[name] = held
            held[self._count : end] = columns[name]
        self._count = end
