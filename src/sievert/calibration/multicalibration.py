"""Probabilities that are right within every group, not on average over them (Hebert-Johnson et al. 2018).

Hebert-Johnson, Kim, Reingold and Rothblum, "Multicalibration: calibration for the (computationally-
identifiable) masses", ICML 2018: where the posts of a group at a level of the score are more or less often
harmful than is said, move them, and repeat until no group has any such level. As gradient boosting, Tax et
al. (2026, "MCGrad: multicalibration at web scale", KDD) made it serve; theirs grows trees, ours does not.

What differs here, because few posts are harmful:
- *Levels are soft.* A group's correction is a line from level to level of the calibrated logit (three by
  default, among the harmful posts' logits), flat beyond them. It is scaled back where it would fall, so that
  within a group no post ever passes another.
- *Shrinkage.* A correction d of a group is taken to be normal around 0 beforehand, with covariance K, and is
  moved as far as the evidence goes: (J + K^-1)^-1 H V^-1 g, with the gradient g and curvature H of the weighted log loss, the
  variance V that g has if the probabilities are right, and J = H V^-1 H. V is that of posts whose classes
  were sampled at their own rates; it does not need a false alarm to have been seen. K says that a group's
  levels are off together rather than each by itself.
- *A held-out stop.* A third of the posts says how many rounds help; then all posts are fitted as often.
  Which third is told by the order of labels and scores, so that no random number and no row order matters.

A round moves all groups of one column, the one that promises most; the first column is everybody.

Not covered: groups that stand in no column (cross them first); groups of a post that are not known when it is
scored. A group that was never seen gets no correction but everybody's.

Legend: n posts, C columns of groups, L levels, R rounds, G groups over all columns.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from sievert.calibration.logit_map import probability_of
from sievert.calibration.sample import Array, Sample, weighed
from sievert.errors import InvalidField

Groups = npt.NDArray[np.int64]

_FEWEST = 10
_MOST_ROUNDS = 30
_PATIENCE = 3
_HELD_OUT_OF = 3
_FLATTEST = 0.05
_BEND = 0.2
"""How far levels of a group are thought to be off one by one, over how far they are off together."""
_NO_MASS = 1e-9
_EVERYBODY = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Multicalibration:
    """Corrections to calibrated logits, round by round.

    Shapes: levels [L], increasing; sizes [1 + C], how many groups each column has, everybody's first; groups
    [G], rising within a column; columns [R]; moves [R, most groups, L], 0 beyond a column's groups.
    """

    levels: Array
    sizes: Groups
    groups: Groups
    columns: Groups
    moves: Array

    def __post_init__(self) -> None:
        """Refuse parts that do not fit together.

        Raises:
            ValueError: a shape is wrong, or levels do not increase.
        """
        shape = (len(self.columns), int(self.sizes.max(initial=1)), len(self.levels))
        if self.moves.shape != shape or int(self.sizes.sum()) != len(self.groups):
            raise ValueError(f"Moves of {self.moves.shape} do not fit rounds, groups and levels of {shape}.")
        if not (len(self.levels) and np.all(np.diff(self.levels) > 0) and np.isfinite(self.moves).all()):
            raise ValueError("Levels must increase, and moves be finite.")
        if len(self.columns) and not 0 <= self.columns.min() <= self.columns.max() < len(self.sizes):
            raise ValueError("A round moves groups of a column that there is not.")

    def logits(self, z: npt.ArrayLike, groups: npt.ArrayLike) -> Array:
        """Return the corrected logits of calibrated logits z [n] of posts in groups [n, C]."""
        now = np.array(z, np.float64)
        places = self._places(_as_groups(groups, len(now), len(self.sizes) - 1))
        for column, moves in zip(self.columns, self.moves, strict=True):
            now += _moved(now, self.levels, moves, places[column])
        return now

    def apply(self, z: npt.ArrayLike, groups: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Return the probabilities of calibrated logits z [n] of posts in groups [n, C], float32."""
        return probability_of(self.logits(z, groups))

    def arrays(self) -> dict[str, npt.NDArray[np.float64] | Groups]:
        """Return what a bundle would keep of it; `moves` are flat."""
        return {
            "levels": self.levels,
            "sizes": self.sizes,
            "groups": self.groups,
            "columns": self.columns,
            "moves": self.moves.ravel(),
        }

    def _places(self, groups: Groups) -> list[Groups]:
        """Return for each column where in it the posts' groups [n] stand, -1 if nowhere."""
        places = [np.zeros(len(groups), np.int64)]
        ends = np.cumsum(self.sizes)
        for column in range(1, len(self.sizes)):
            known = self.groups[ends[column - 1] : ends[column]]
            at = np.minimum(np.searchsorted(known, groups[:, column - 1]), len(known) - 1)
            places.append(np.where(known[at] == groups[:, column - 1], at, -1))
        return places


def fit_multicalibration(
    z: npt.ArrayLike,
    groups: npt.ArrayLike,
    y: npt.ArrayLike,
    weight: npt.ArrayLike | None = None,
    *,
    prevalence: float | None = None,
    levels: int = 3,
    spread: float = 0.5,
) -> Multicalibration:
    """Fit corrections to calibrated logits z [n] of posts in groups [n, C] with labels y [n].

    A column of `groups` holds one number a post, such as its language or surface; posts that share it are a
    group. `spread` is how far off, in logits, groups are thought to be beforehand (s). It may turn out that no
    correction helps on posts that were held out: then there are no rounds.

    Raises:
        InvalidField: as `sample.weighed`, each kind needs 10 posts; or the groups are not whole numbers [n, C].
    """
    sample = weighed(z, y, weight, prevalence=prevalence, fewest=_FEWEST)
    given = np.asarray(z, np.float64)
    members = _as_groups(groups, len(given), None)
    if weight is not None:
        members = members[np.asarray(weight, np.float64) > 0]
    # Posts in an order that is theirs, so that sums and the held-out third do not depend on that of the rows.
    order = np.lexsort((*members.T, sample.weight, sample.z, sample.y))
    sample, members = _part(sample, order), members[order]
    knots = np.unique(np.quantile(sample.z[sample.y], (np.arange(levels) + 0.5) / levels))
    known = [np.zeros(1, np.int64), *(np.unique(column) for column in members.T)]
    places = [np.zeros(len(members), np.int64)]
    places += [np.searchsorted(one, column) for one, column in zip(known[1:], members.T, strict=True)]
    held = np.arange(len(members)) % _HELD_OUT_OF == _HELD_OUT_OF - 1
    tried = _Boosting(_part(sample, ~held), [one[~held] for one in places], knots, known, spread)
    rounds = tried.best_rounds(_part(sample, held), [one[held] for one in places])
    final = _Boosting(sample, places, knots, known, spread)
    for _ in range(rounds):
        final.step()
    most = max(len(one) for one in known)
    moves = np.zeros((rounds, most, len(knots)))
    for at, one in enumerate(final.moves):
        moves[at, : len(one)] = one
    return Multicalibration(
        levels=knots,
        sizes=np.array([len(one) for one in known], np.int64),
        groups=np.concatenate(known),
        columns=np.array(final.columns, np.int64),
        moves=moves,
    )


class _Boosting:
    """Corrections on their way: posts, their logits so far, and what was moved."""

    def __init__(
        self, sample: Sample, places: list[Groups], knots: Array, known: list[Groups], spread: float
    ) -> None:
        self.sample, self.places, self.knots = sample, places, knots
        width = len(knots)
        self.belief = np.linalg.inv(spread**2 * (np.ones((width, width)) + _BEND**2 * np.eye(width)))
        self.counts = [len(one) for one in known]
        self.now = sample.z.copy()
        self.columns: list[int] = []
        self.moves: list[Array] = []

    def step(self) -> None:
        """Move all groups of the column that promises most."""
        best, gained, column = np.zeros(0), -1.0, _EVERYBODY
        for tried, count in enumerate(self.counts):
            moves, gain = self._proposal(self.places[tried], count)
            if gain > gained:
                best, gained, column = moves, gain, tried
        self.now = self.now + _moved(self.now, self.knots, best, self.places[column])
        self.columns.append(column)
        self.moves.append(best)

    def best_rounds(self, held: Sample, places: list[Groups]) -> int:
        """Step until posts that were held out gain no more; return after how many rounds they gained most."""
        now = held.z.copy()
        best, rounds = _loss(held, now), 0
        while len(self.columns) < min(_MOST_ROUNDS, rounds + _PATIENCE):
            self.step()
            now = now + _moved(now, self.knots, self.moves[-1], places[self.columns[-1]])
            loss = _loss(held, now)
            if loss < best:
                best, rounds = loss, len(self.columns)
        return rounds

    def _proposal(self, place: Groups, count: int) -> tuple[Array, float]:
        """Return (moves [count, L] of a column's groups, by how much they promise to lower the loss)."""
        sample, hats = self.sample, _hats(self.now, self.knots)
        p = 1 / (1 + np.exp(-np.clip(self.now, -60, 60)))
        curve = sample.weight * p * (1 - p)
        harmless, harmful = sample.unit
        noise = curve * (harmful * (1 - p) + harmless * p)

        def total(values: Array) -> Array:
            return np.bincount(place, values, count).astype(np.float64)

        width = hats.shape[1]
        gradient = np.stack(
            [total(sample.weight * (sample.y - p) * hats[:, a]) for a in range(width)], axis=1
        )
        curvature = np.zeros((count, width, width))
        variance = np.zeros((count, width, width))
        for a in range(width):
            # Hats further apart than one level share no post.
            for b in range(a, min(a + 2, width)):
                both = hats[:, a] * hats[:, b]
                curvature[:, a, b] = curvature[:, b, a] = total(curve * both)
                variance[:, a, b] = variance[:, b, a] = total(noise * both)
        ridge = _NO_MASS * np.trace(variance, axis1=1, axis2=2) + 1e-300
        weighing = np.linalg.solve(variance + ridge[:, None, None] * np.eye(width), curvature)
        precision = curvature @ weighing + self.belief
        evidence = np.einsum("gba,gb->ga", weighing, gradient)
        moves = np.linalg.solve(precision, evidence[:, :, None])[:, :, 0]
        moves *= _steepest_part(moves, self.knots)[:, None]
        gain = (gradient * moves).sum() - np.einsum("ga,gab,gb->", moves, curvature, moves) / 2
        return moves, float(gain)


def _steepest_part(moves: Array, knots: Array) -> Array:
    """Return how much of each group's moves [g, L] may be made so that order stays, 0 to 1."""
    if len(knots) == 1:
        return np.ones(len(moves))
    falls = -(np.diff(moves, axis=1) / np.diff(knots)).min(axis=1)
    part: Array = np.minimum(1.0, (1 - _FLATTEST) / np.maximum(falls, _NO_MASS))
    return part


def _hats(z: Array, knots: Array) -> Array:
    """Return how much each post is of each level, as [n, L]; the rows sum to 1."""
    hats = np.zeros((len(z), len(knots)))
    if len(knots) == 1:
        hats[:] = 1.0
        return hats
    at = np.clip(np.searchsorted(knots, z, side="right") - 1, 0, len(knots) - 2)
    part = np.clip((z - knots[at]) / (knots[at + 1] - knots[at]), 0.0, 1.0)
    rows = np.arange(len(z))
    hats[rows, at] = 1 - part
    hats[rows, at + 1] = part
    return hats


def _moved(z: Array, knots: Array, moves: Array, place: Groups) -> Array:
    """Return by how much posts at z [n], of the groups at `place` [n], are moved by moves [g, L]."""
    with_nobody = np.concatenate([moves, np.zeros((1, moves.shape[1]))])
    by: Array = (_hats(z, knots) * with_nobody[place]).sum(axis=1)
    return by


def _loss(sample: Sample, z: Array) -> float:
    return float(sample.weight @ (np.logaddexp(0.0, z) - sample.y * z)) / float(sample.weight.sum())


def _part(sample: Sample, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> Sample:
    """Return some posts of a sample, whose weights are as they were."""
    return dataclasses.replace(sample, z=sample.z[rows], y=sample.y[rows], weight=sample.weight[rows])


def _as_groups(groups: npt.ArrayLike, count: int, columns: int | None) -> Groups:
    given = np.asarray(groups)
    if (
        given.ndim != 2
        or given.shape[0] != count
        or not given.shape[1]
        or columns not in {None, given.shape[1]}
    ):
        raise InvalidField(
            f"Groups of the shape {given.shape} are not {count} posts by columns.",
            remedy="Pass one row a post and one column a way to group, the same columns as were fitted.",
            field="groups",
        )
    if not np.issubdtype(given.dtype, np.integer):
        raise InvalidField(
            "Groups are not whole numbers.", remedy="Number the groups of each column.", field="groups"
        )
    return given.astype(np.int64)
