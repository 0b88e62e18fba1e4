"""A linear head on frozen numbers, from few labels: regularised logistic regression, judged by cross-validation.

Each class counts for one half, whatever its share among the labels; within it each row counts for its weight. How strongly the weights are held back
is chosen by cross-validation over the labelled rows, groups kept together. Scores to judge and to calibrate
by come from an outer cross-validation: of each row, from a head that saw neither the row nor its group, not
even to choose its strength (Varma and Simon 2006, "Bias in error estimation when using cross-validation for
model selection", BMC Bioinformatics 7).

A row may be several windows of one text. It is learned from by their mean, and scored by the highest, as in
service.

Legend: n rows, w >= n windows, F numbers.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from sievert.scoring.added_heads import LinearHead

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
"""How much half the squared length of the weights costs, beside the mean loss of a row."""

OUTER, INNER = 5, 4
_STACKED = 0.03
_TINY = 1e-6
_STEPS, _LEAST_STEP, _GAIN = 60, 0.01, 1e-9
_SMALL = 1e-3
"""Of the mean spread: numbers that hardly differ are not blown up."""


@dataclasses.dataclass(frozen=True, slots=True)
class Windows:
    """What is read of n rows: numbers [w, F], those of one row together, and the row of each [w], rising."""

    numbers: npt.NDArray[np.float32]
    owner: npt.NDArray[np.intp]

    @classmethod
    def single(cls, numbers: npt.NDArray[np.float32]) -> "Windows":
        """Return rows that are one window each."""
        return cls(numbers, np.arange(len(numbers)))

    def __len__(self) -> int:
        """Return n."""
        return int(self.owner[-1]) + 1 if len(self.owner) else 0

    def means(self) -> npt.NDArray[np.float32]:
        """Return the mean [n, F] of each row's windows."""
        counts = np.bincount(self.owner)[:, None]
        means: npt.NDArray[np.float32] = (
            np.add.reduceat(self.numbers, self._starts(), axis=0) / counts
        ).astype(np.float32)
        return means

    def scores(self, head: LinearHead) -> Floats:
        """Return the logit [n] of each row's highest window."""
        highest: Floats = np.maximum.reduceat(head.logits(self.numbers), self._starts()).astype(np.float64)
        return highest

    def take(self, rows: npt.NDArray[np.intp]) -> "Windows":
        """Return these rows, given in rising order."""
        kept = np.isin(self.owner, rows)
        return Windows(self.numbers[kept], np.searchsorted(rows, self.owner[kept]))

    def _starts(self) -> npt.NDArray[np.intp]:
        return np.flatnonzero(np.diff(self.owner, prepend=-1))


@dataclasses.dataclass(frozen=True, slots=True)
class Softly:
    """More rows to learn from, by what another head thinks of them: numbers [m, F], soft labels [m], in all so heavy."""

    numbers: npt.NDArray[np.float32]
    y: Floats
    mass: float


def halves(y: Flags, weight: Floats) -> Floats:
    """Return what each row [n] counts for: its weight within its class, of which each is one half."""
    shares: Floats = weight / np.where(y, 2 * weight[y].sum(), 2 * weight[~y].sum())
    return shares


def folds_of(
    y: Flags, group: npt.NDArray[np.int64], count: int, rng: np.random.Generator
) -> npt.NDArray[np.intp]:
    """Return a fold [n] for each row, 0 to `count` - 1: groups whole, each class spread evenly."""
    names, first = np.unique(group, return_index=True)
    fold_of = np.empty(len(names), np.intp)
    for kind in (False, True):
        mine = rng.permutation(np.flatnonzero(y[first] == kind))
        fold_of[mine] = np.arange(len(mine)) % count
    found: npt.NDArray[np.intp] = fold_of[np.searchsorted(names, group)]
    return found


def usual(numbers: npt.NDArray[np.float32], traffic: npt.NDArray[np.float32] | None = None) -> LinearHead:
    """Return a head that says nothing yet, and knows what is usual: in numbers [w, F], and as many of traffic.

    Traffic alone would not do: what sets examples apart may hardly occur in it, and would be out of bounds.
    """
    if traffic is not None:
        some = np.linspace(0, len(traffic) - 1, min(len(numbers), len(traffic))).astype(np.intp)
        numbers = np.concatenate([numbers, traffic[some]])
    mean = numbers.mean(axis=0, dtype=np.float64)
    spread = numbers.std(axis=0, dtype=np.float64)
    spread = np.maximum(spread, _SMALL * spread.mean() + 1e-6)
    return LinearHead(
        mean=mean.astype(np.float32),
        spread=spread.astype(np.float32),
        weights=np.zeros(len(mean), np.float32),
        bias=np.zeros(1, np.float32),
    )


def fit_head(
    blank: LinearHead, windows: Windows, y: Flags, *, strength: float, softly: Softly | None = None
) -> LinearHead:
    """Learn a head from n rows with labels y [n]; `blank` knows what is usual."""
    return fit_heads_at(blank, windows, y, strengths=(strength,), softly=softly)[0]


def fit_heads_at(
    blank: LinearHead,
    windows: Windows,
    y: Flags,
    *,
    strengths: Sequence[float],
    weight: Floats | None = None,
    softly: Softly | None = None,
) -> list[LinearHead]:
    """Learn a head at each strength from the same n rows, each as much as its weight [n] says."""
    x, soft = blank.scaled(windows.means()), y.astype(np.float64)
    weight = halves(y, np.ones(len(y)) if weight is None else weight)
    if softly is not None:
        x = np.concatenate([x, blank.scaled(softly.numbers)])
        soft = np.concatenate([soft, softly.y])
        weight = np.concatenate(
            [weight * (1 - softly.mass), np.full(len(softly.y), softly.mass / len(softly.y))]
        )
    return [
        dataclasses.replace(blank, weights=weights.astype(np.float32), bias=np.array([bias], np.float32))
        for weights, bias in _logistic(x.astype(np.float64), soft, weight, strengths)
    ]


Scorer = Callable[[npt.NDArray[np.intp]], Floats]
"""Scores rows."""
Fit = Callable[[npt.NDArray[np.intp], Sequence[float]], list[Scorer]]
"""Learns from rows, at each strength."""


def chosen_strength(
    fit: Fit, y: Flags, group: npt.NDArray[np.int64], rows: npt.NDArray[np.intp], rng: np.random.Generator,
    *, weight: Floats, strengths: Sequence[float] = STRENGTHS,
) -> float:  # fmt: skip
    """Return the strength with the least loss by cross-validation over these rows."""
    fold = folds_of(y[rows], group[rows], INNER, rng)
    losses, counts = np.zeros(len(strengths)), np.zeros(len(y))
    counts[rows] = halves(y[rows], weight[rows])
    for at in range(INNER):
        learn, held = rows[fold != at], rows[fold == at]
        losses += [_loss(score(held), y[held], counts[held]) for score in fit(learn, strengths)]
    return strengths[int(losses.argmin())]


def held_out_scores(
    fit: Fit, y: Flags, group: npt.NDArray[np.int64], rng: np.random.Generator,
    *, weight: Floats, strengths: Sequence[float] = STRENGTHS, advance: Callable[[int, int], None] = lambda _, __: None,
) -> Floats:  # fmt: skip
    """Return the score [n] of each row by a head that saw nothing of its fold."""
    fold = folds_of(y, group, OUTER, rng)
    scores = np.empty(len(y))
    for at in range(OUTER):
        learn, held = np.flatnonzero(fold != at), np.flatnonzero(fold == at)
        strength = strengths[0]
        if len(strengths) > 1:
            strength = chosen_strength(fit, y, group, learn, rng, weight=weight, strengths=strengths)
        scores[held] = fit(learn, [strength])[0](held)
        advance(at + 1, OUTER)
    return scores


def stacked(scores: Sequence[Floats], y: Flags, weight: Floats) -> Floats:
    """Return what each of several held-out scores [n] counts for, none of them against what it says.

    Logistic regression on the scores (Breiman 1996, "Stacked regressions", Machine Learning 24), held back
    so far that of two that say the same each has a part.
    """
    spread = np.array([max(float(z.std()), _TINY) for z in scores])
    x = np.stack([(z - z.mean()) / one for z, one in zip(scores, spread, strict=True)], axis=1)
    ((weights, _),) = _logistic(x, y.astype(np.float64), halves(y, weight), [_STACKED])
    kept = np.maximum(weights, 0.0)
    counts: Floats = (kept if kept.any() else np.ones(len(scores))) / spread
    return counts


def _loss(z: Floats, y: Flags, weight: Floats) -> float:
    """Return the summed log loss of logits z."""
    return float(weight @ (np.logaddexp(0.0, z) - y * z))


def _logistic(x: Floats, y: Floats, weight: Floats, strengths: Sequence[float]) -> list[tuple[Floats, float]]:
    """Return weights [F] and bias for each strength: the least of weight @ loss + strength / 2 |weights|^2.

    Newton's steps, from one strength to the next. With fewer rows than numbers the weights lie in the span
    of the rows, so they are sought there.
    """
    basis: Floats | None = None
    if len(x) < x.shape[1]:
        left, sizes, basis = np.linalg.svd(x, full_matrices=False)
        x = left * sizes
    wide = np.column_stack([x, np.ones(len(x))])
    beta, found = np.zeros(wide.shape[1]), {}
    for strength in sorted(strengths, reverse=True):
        beta = _newton(wide, y, weight, np.append(np.full(x.shape[1], strength), 1e-9), beta)
        found[strength] = (beta[:-1] if basis is None else basis.T @ beta[:-1]), float(beta[-1])
    return [found[strength] for strength in strengths]


def _newton(x: Floats, y: Floats, weight: Floats, held: Floats, beta: Floats) -> Floats:
    """Return the least of weight @ loss + held @ beta^2 / 2, sought from beta on."""

    def cost(at: Floats) -> float:
        z = x @ at
        return float(weight @ (np.logaddexp(0.0, z) - y * z) + held @ (at * at) / 2)

    best = cost(beta)
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-np.clip(x @ beta, -60, 60)))
        gradient = x.T @ (weight * (p - y)) + held * beta
        curvature = (x * (weight * p * (1 - p))[:, None]).T @ x
        step = np.linalg.solve(curvature + np.diag(held), gradient)
        size = 1.0
        while size > _LEAST_STEP and (trial := cost(beta - size * step)) >= best - _GAIN:
            size /= 2
        if size <= _LEAST_STEP:
            break
        beta, best = beta - size * step, trial
    return beta
