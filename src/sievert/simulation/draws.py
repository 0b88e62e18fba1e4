"""Random numbers of a world: a stream for each step and purpose, and wheels of weighted chances.

What is drawn for one purpose never moves what is drawn for another, so that enforcement changes nothing
in the world without it.
"""

import enum

import numpy as np
import numpy.typing as npt

from sievert.schema.history import Int64s

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


class Purpose(enum.IntEnum):
    """What random numbers are drawn for."""

    ACCOUNTS = 0
    FOLLOWS = 1
    INCIDENTS = 2
    LOGINS = 3
    POSTS = 4
    TEXTS = 5
    COPIES = 6
    TRAITS = 7
    VIEWS = 8
    FACT = 9
    BEHAVIOUR = 10
    BRIGADES = 11
    ARRIVAL = 12
    COMMENTS = 13
    VERDICTS = 14
    LABELS = 15
    KEPT = 16
    RAIDED = 18
    MOMENTS = 19
    DELETES = 20
    CHANGES = 17
    CRAZE = 21


def stream(seed: int, step: int, purpose: Purpose) -> np.random.Generator:
    """Return the random numbers of a step for one purpose; the same ones whenever it is asked for."""
    return np.random.default_rng((seed, step, int(purpose)))


class Wheel:
    """Draws places with chances in proportion to weights."""

    def __init__(self, weights: Floats) -> None:
        """Take weights [n], at least one of them above 0."""
        self._edges = np.cumsum(weights, dtype=np.float64)

    def spin(self, count: int, rng: np.random.Generator) -> Int64s:
        """Draw `count` places, with replacement."""
        return self.at(rng.random(count))

    def at(self, chance: Floats) -> Int64s:
        """Return the places where these chances [n] from 0 to 1 fall."""
        found = np.searchsorted(self._edges, chance * self._edges[-1], side="right")
        places: Int64s = np.minimum(found, len(self._edges) - 1).astype(np.int64)
        return places


class Wheels:
    """One wheel for each class of places, such as communities."""

    def __init__(self, classes: Int64s, weights: Floats, *, count: int) -> None:
        """Take classes [n] from 0 below `count`, and weights [n] above 0."""
        self._order = np.argsort(classes, kind="stable")
        self._sums = np.concatenate(([0.0], np.cumsum(weights[self._order], dtype=np.float64)))
        self._starts = np.searchsorted(classes[self._order], np.arange(count + 1))

    def spin(self, classes: Int64s, rng: np.random.Generator) -> Int64s:
        """Draw one place of each of these classes [n]; -1 where a class is empty."""
        first, end = self._starts[classes], self._starts[classes + 1]
        low, high = self._sums[first], self._sums[end]
        found = np.searchsorted(self._sums, low + rng.random(len(classes)) * (high - low), side="right") - 1
        if not len(self._order):
            return np.full(len(classes), -1, dtype=np.int64)
        inside = np.clip(found, first, np.maximum(end - 1, first))
        places = self._order[np.minimum(inside, len(self._order) - 1)]
        drawn: Int64s = np.where(end > first, places, -1).astype(np.int64)
        return drawn


def shortened_pareto(count: int, tail: float, most: float, rng: np.random.Generator) -> Floats:
    """Draw from a Pareto law that begins at 1 and is cut off at `most`, by inversion."""
    kept = 1.0 - most**-tail
    return np.asarray((1.0 - rng.random(count) * kept) ** (-1.0 / tail), dtype=np.float64)
