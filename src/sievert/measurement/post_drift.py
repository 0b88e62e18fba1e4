"""Has anything moved in the posts themselves? Single features, and embeddings as a whole, between two windows.

Features: the largest distance of both distributions, one feature after the other, as for scores (`drift`). Its p-value
is that of Kolmogorov's law (1933), too large where many posts share a value. Of many features some look as if they
moved by chance, so those that are said to have moved are so after Holm's correction (1979).

Embeddings: a distance of all of it at once, the energy distance (Szekely and Rizzo 2004, "Testing for equal
distributions in high dimension", InterStat 5), over at most 32 directions that are drawn before anything is seen: in
more, windows of some hundred posts look alike whatever is in them. Chance is what windows reach whose posts are
shuffled, so the test is exact at its level, whatever embeddings are like. Posts of now that lie far from before and
near to each other are named, strangest first: a drift that no person can look at tells nobody anything.

Neither says that anything is wrong: a football final moves both.

Not covered: which of both windows is the odd one; posts that are not independent, such as copies in a campaign, move
both by themselves, and are there to be looked at.

Legend: n posts before, m now, F features, d dimensions.
"""

import math
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from sievert.errors import InvalidField
from sievert.measurement.drift import SMALL, score_drift

Floats = npt.NDArray[np.float64]

DELTA = 0.05
DIRECTIONS = 32
MOST = 1000
"""Posts of a window whose embeddings are compared; of more, so many are drawn."""

_SHUFFLES = 199
_STRANGERS = 20
_TERMS = 100


class FeatureDrift(msgspec.Struct, frozen=True, kw_only=True):
    """How far one feature's distributions lie apart, and its means; `moved` is after the correction for many."""

    feature: str
    before: float
    now: float
    distance: float
    p_value: float
    moved: bool


class EmbeddingDrift(msgspec.Struct, frozen=True, kw_only=True):
    """How far embeddings lie apart, from 0 to 1, beside what 95 of 100 shuffled windows stay below.

    `strangers` are places among the posts of now, those first that are most unlike before.
    """

    before: int
    now: int
    distance: float
    chance: float
    p_value: float
    strangers: tuple[int, ...]

    @property
    def moved(self) -> bool:
        """Tell whether it is more than chance."""
        return self.p_value <= DELTA


def feature_drift(
    before: npt.ArrayLike, now: npt.ArrayLike, names: Sequence[str]
) -> tuple[FeatureDrift, ...]:
    """Compare features [n, F] of one window with those [m, F] of another, the surest first.

    Raises:
        InvalidField: a window is empty, or has other features.
    """
    old, new = np.asarray(before, np.float64), np.asarray(now, np.float64)
    if old.ndim != 2 or new.ndim != 2 or not old.shape[1] == new.shape[1] == len(names):
        raise InvalidField(
            "Both windows need the same features, a row for each post.",
            remedy="Pass arrays of as many columns as there are names.",
            field="names",
        )
    found = list[FeatureDrift]()
    for at, name in enumerate(names):
        one = score_drift(old[:, at], new[:, at])
        found.append(
            FeatureDrift(
                feature=name,
                before=float(old[:, at].mean()),
                now=float(new[:, at].mean()),
                distance=one.distance,
                p_value=_kolmogorov(one.distance * math.sqrt(len(old) * len(new) / (len(old) + len(new)))),
                moved=False,
            )
        )
    found.sort(key=lambda one: (one.p_value, -one.distance))
    goes_on, told = True, list[FeatureDrift]()
    for place, drift in enumerate(found):
        goes_on = goes_on and drift.p_value <= DELTA / (len(found) - place)
        told.append(msgspec.structs.replace(drift, moved=goes_on and drift.distance > SMALL))
    return tuple(told)


def embedding_drift(before: npt.ArrayLike, now: npt.ArrayLike, *, seed: int = 0) -> EmbeddingDrift:
    """Compare embeddings [n, d] of one window with those [m, d] of another.

    Raises:
        InvalidField: a window has fewer than two posts, or another width.
    """
    old, new = np.asarray(before, np.float64), np.asarray(now, np.float64)
    if min(len(old), len(new)) < 2 or old.shape[1:] != new.shape[1:]:
        raise InvalidField(
            "Both windows need two embeddings at least, of one width.",
            remedy="Name longer windows, and embed both by one bundle.",
            field="since",
        )
    rng = np.random.default_rng(seed)
    places = [rng.permutation(len(one))[:MOST] for one in (old, new)]
    both = _few_directions(np.concatenate([old[places[0]], new[places[1]]]), rng)
    count = len(places[0])
    apart = _distances(both)
    distance = _energy(apart, np.arange(len(both)) < count)
    shuffled = np.array([_energy(apart, rng.permutation(len(both)) < count) for _ in range(_SHUFFLES)])
    strange = apart[count:, :count].mean(axis=1) - apart[count:, count:].mean(axis=1)
    return EmbeddingDrift(
        before=len(old),
        now=len(new),
        distance=distance,
        chance=float(np.quantile(shuffled, 1 - DELTA)),
        p_value=float((1 + (shuffled >= distance).sum()) / (1 + _SHUFFLES)),
        strangers=tuple(int(places[1][row]) for row in np.argsort(-strange, kind="stable")[:_STRANGERS]),
    )


def _few_directions(both: Floats, rng: np.random.Generator) -> Floats:
    """Return embeddings in directions drawn at random, each of them as wide as any other."""
    if both.shape[1] > DIRECTIONS:
        both = both @ rng.standard_normal((both.shape[1], DIRECTIONS))
    centred = both - both.mean(axis=0)
    return np.asarray(centred / np.maximum(centred.std(axis=0), 1e-12), np.float64)


def _distances(both: Floats) -> Floats:
    square = (both**2).sum(axis=1)
    apart: Floats = np.sqrt(np.maximum(square[:, None] + square[None, :] - 2 * both @ both.T, 0.0))
    return apart


def _energy(apart: Floats, first: npt.NDArray[np.bool_]) -> float:
    """Return the energy distance over its largest value, from all distances and which rows are the first window's."""
    side = first.astype(np.float64)
    sums = apart @ side
    ours, n, m = float(side @ sums), int(first.sum()), int((~first).sum())
    across = (float(sums.sum()) - ours) / (n * m)
    theirs = float(apart.sum()) - 2 * float(sums.sum()) + ours
    return max(0.0, 2 * across - ours / n**2 - theirs / m**2) / (2 * across) if across > 0 else 0.0


def _kolmogorov(scaled: float) -> float:
    """Return the chance of a distance so large, as Kolmogorov's law has it for large windows."""
    if scaled < 0.2:  # where the series no longer converges, the chance is 1 to twelve digits
        return 1.0
    terms = ((-1) ** (k - 1) * math.exp(-2 * (k * scaled) ** 2) for k in range(1, _TERMS))
    return min(1.0, max(0.0, 2 * math.fsum(terms)))
