"""Batches whose order depends on (seed, epoch, step) alone, so that training can go on where it was killed.

Whatever else is drawn while a batch is made comes from a generator of that batch's own. Several processes
share a batch: process r of w takes rows r, r + w and so on. What does not divide is filled up with the
first rows of the epoch, so that all have equally many and the mean over processes is the mean over rows.

Legend: n rows, b rows of a batch.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

Rows = npt.NDArray[np.int64]
Tensors = Mapping[str, torch.Tensor]
Make = Callable[[Rows, np.random.Generator], Tensors]
Arrange = Callable[[Rows, np.random.Generator], Rows]
"""Lays rows, in random order, out in another one, from which batches are cut."""

_POOL = 50
"""Batches' worth of rows among which those of like length are put together."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """Which part of every batch a process takes."""

    number: int = 0
    of: int = 1


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one process learns from at a step: tensors by name, and the rows [b] of the data in them."""

    rows: Rows
    tensors: Tensors


class Batches(Protocol):
    """Data to learn from, in batches."""

    def __len__(self) -> int:
        """Return how many batches an epoch has."""
        ...

    def epoch(self, epoch: int, *, start: int, shard: Shard) -> Iterator[Batch]:
        """Yield the batches of an epoch from number `start` on, the same whenever it is asked for them."""
        ...


class ShuffledBatches:
    """All rows in every epoch, each time in another order; some together if asked to."""

    def __init__(
        self,
        rows: int,
        *,
        size: int,
        seed: int,
        make: Make,
        lengths: Sequence[int] | None = None,
        arrange: Arrange | None = None,
    ) -> None:
        """Take how many rows there are, and `make`, which gets rows [b] and a generator and gives tensors.

        With `lengths` [n] rows of like length come together: padding costs as much as text. With `arrange`
        they come together as it lays them out; batches come in random order all the same.
        """
        self._rows, self._size, self._seed, self._make = rows, size, seed, make
        self._arrange = arrange if lengths is None else _by_length(np.asarray(lengths), size * _POOL)

    def __len__(self) -> int:
        """Return how many batches an epoch has."""
        return math.ceil(self._rows / self._size)

    def epoch(self, epoch: int, *, start: int, shard: Shard) -> Iterator[Batch]:
        """Yield the batches of an epoch from number `start` on."""
        order, batches = self._order(epoch)
        for step, rows in enumerate(batches[start:], start):
            missing = -len(rows) % shard.of
            mine = np.concatenate([rows, np.resize(order, missing)])[shard.number :: shard.of]
            drawn = np.random.default_rng((self._seed, epoch, step, shard.number))
            yield Batch(rows=mine, tensors=self._make(mine, drawn))

    def _order(self, epoch: int) -> tuple[Rows, list[Rows]]:
        rng = np.random.default_rng((self._seed, epoch))
        order = rng.permutation(self._rows)
        if self._arrange is None:
            return order, self._cut(order)
        batches = self._cut(self._arrange(order, rng))
        return order, [batches[at] for at in rng.permutation(len(batches))]

    def _cut(self, order: Rows) -> list[Rows]:
        return [order[at : at + self._size] for at in range(0, self._rows, self._size)]


def _by_length(lengths: Rows, pool: int) -> Arrange:
    """Return what lays rows out by length, so many at a time."""

    def arrange(order: Rows, _: np.random.Generator) -> Rows:
        pools = (order[at : at + pool] for at in range(0, len(order), pool))
        return np.concatenate([some[np.argsort(lengths[some], kind="stable")] for some in pools])

    return arrange


def picked_from(tensors: Tensors) -> Make:
    """Return what picks the rows of tensors [n, ...] as they stand."""

    def make(rows: Rows, _: np.random.Generator) -> Tensors:
        places = torch.from_numpy(rows)
        return {name: one[places] for name, one in tensors.items()}

    return make
