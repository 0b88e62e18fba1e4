"""Vectors of creators, kept by (version, creator): made on demand, made anew when stale, never mixed.

A vector is stale when the creator's own edges changed, when it has reached its age, or when another model
serves. Edges two hops away change it a little; that waits for its age. A switch to another model is done
when all that is kept was embedded by it, at once: no reader sees vectors of two models.

Not covered: durability. A restart begins with none, and each is made when it is asked for.

Legend: n creators, e width of a vector.
"""

import collections
import dataclasses
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from sievert.errors import BundleError
from sievert.schema.clock import DAY, Micros

Floats32 = npt.NDArray[np.float32]
Name = TypeVar("Name", bound=Hashable)
Embed = Callable[[Sequence[Name]], Floats32]
"""Makes the vectors [n, e] of creators by name."""

MOST_AGE: Micros = 7 * DAY
MOST_CREATORS = 1_000_000


@dataclasses.dataclass(frozen=True, slots=True)
class _Kept:
    vector: Floats32
    at: Micros


class CreatorVectors(Generic[Name]):
    """Remembers vectors of one model; one thread uses it."""

    def __init__(self, version: str, *, most_age: Micros = MOST_AGE, most: int = MOST_CREATORS) -> None:
        """Begin with none."""
        self.version = version
        self._age, self._most = most_age, most
        self._kept: collections.OrderedDict[Name, _Kept] = collections.OrderedDict()

    def __len__(self) -> int:
        """Return how many creators are remembered."""
        return len(self._kept)

    def of(self, version: str, creators: Sequence[Name], embed: Embed[Name], *, now: Micros) -> Floats32:
        """Return vectors [n, e], making those that are missing or stale together, in one call.

        Raises:
            BundleError: another model serves than the reader thinks.
        """
        self._refuse_other(version)
        missing = [one for one in dict.fromkeys(creators) if not self._fresh(one, now)]
        if missing:
            self._keep(missing, embed(missing), now)
        found = (
            np.stack([self._kept[one].vector for one in creators])
            if creators
            else np.zeros((0, 0), np.float32)
        )
        for one in creators:
            self._kept.move_to_end(one)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return found

    def all(self) -> tuple[list[Name], Floats32]:
        """Return who is remembered, and all their vectors [n, e]."""
        vectors = [kept.vector for kept in self._kept.values()]
        return [*self._kept], np.stack(vectors) if vectors else np.zeros((0, 0), np.float32)

    def changed(self, creators: Iterable[Name]) -> None:
        """Forget creators whose edges changed."""
        for one in creators:
            self._kept.pop(one, None)

    def refresh(self, embed: Embed[Name], *, now: Micros, most: int) -> int:
        """Make the oldest vectors anew that have half their age, at most so many; return how many."""
        old = sorted((kept.at, one) for one, kept in self._kept.items() if now - kept.at >= self._age // 2)
        due = [one for _, one in old[:most]]
        if due:
            self._keep(due, embed(due), now)
        return len(due)

    def switch(self, version: str, embed: Embed[Name], *, now: Micros, at_once: int = 1024) -> None:
        """Go over to another model when it has embedded all who are kept; until then, and if it fails, nothing changes."""
        everybody = list(self._kept)
        fresh: dict[Name, _Kept] = {}
        for at in range(0, len(everybody), at_once):
            some = everybody[at : at + at_once]
            fresh |= _as_kept(some, embed(some), now)
        self._kept = collections.OrderedDict(fresh)
        self.version = version

    def _fresh(self, creator: Name, now: Micros) -> bool:
        kept = self._kept.get(creator)
        return kept is not None and now - kept.at < self._age

    def _keep(self, creators: Sequence[Name], vectors: Floats32, now: Micros) -> None:
        self._kept.update(_as_kept(creators, vectors, now))

    def _refuse_other(self, version: str) -> None:
        if version != self.version:
            raise BundleError(
                f"Vectors of creators by {version} are asked for; {self.version} serves.",
                remedy="Load the bundle anew; vectors of two models are never mixed.",
            )


def _as_kept(creators: Sequence[Name], vectors: Floats32, now: Micros) -> Mapping[Name, _Kept]:
    if len(vectors) != len(creators):
        raise ValueError(f"{len(vectors)} vectors for {len(creators)} creators")
    return {one: _Kept(row.copy(), now) for one, row in zip(creators, vectors, strict=True)}
