"""A head learns from labels that were drawn by chance, as it would from labels of everything.

Of each post there is a guess, by the model that ran when it came; of a few there is a label, and the chance with
which it was asked for. What a post teaches is

    target = guess + labelled / chance * (label - guess)

On average that is the label, whatever the guess is worth, and the better the guess the less it scatters: augmented
inverse propensity weighting (Robins, Rotnitzky and Zhao 1994, "Estimation of regression coefficients when some
regressors are not always observed", Journal of the American Statistical Association 89). The loss of logistic
regression is linear in the label, so targets outside of 0 and 1 are as good as any, and it stays convex.

What we changed: one over a chance counts at most `MOST_WEIGHT`, which trades bias for one label not being worth
hundreds of posts. What is measured must not be cut so: it has few numbers to find, and a head has thousands.

What was removed by us is no label. It is a post like any other: audited by chance, and else believed as far as its
guess goes, which an audit can contradict. That nobody reported a post is no label either.

Legend: n posts, d n-grams.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from sievert.errors import InvalidField
from sievert.training.design import Design
from sievert.training.kernels import forward

Floats = npt.NDArray[np.float64]

MOST_WEIGHT = 3.0
"""In simulated months 10 scattered so much that nothing was learned, 1 learned new slang late (`benchmarks/loop.py`)."""

_STEPS, _INNER = 30, 60
_ENOUGH = 1e-2
_LEAST_STEP = 1e-4


def targets(
    guess: npt.ArrayLike,
    labels: npt.ArrayLike,
    chance: npt.ArrayLike,
    *,
    most_weight: float = MOST_WEIGHT,
) -> Floats:
    """Return what posts [n] teach; `labels` [n] are 0 or 1, NaN where nobody was asked, `chance` [n] of being asked.

    Raises:
        InvalidField: a labelled post had no chance to be asked about, or a guess is no probability.
    """
    believed, found, asked = (np.asarray(one, np.float64) for one in (guess, labels, chance))
    known = ~np.isnan(found)
    if not ((believed >= 0) & (believed <= 1)).all() or not ((asked[known] > 0) & (asked[known] <= 1)).all():
        raise InvalidField(
            "A guess is no probability, or a labelled post had no chance to be drawn.",
            field="chance",
            remedy="Keep the chance of every draw, and pass it with its label.",
        )
    weight = np.minimum(1.0 / np.where(known, asked, 1.0), most_weight)
    taught: Floats = np.where(known, believed + weight * (np.where(known, found, 0.0) - believed), believed)
    return taught


@dataclasses.dataclass(frozen=True, slots=True)
class GramHead:
    """A weight for each n-gram [d], and a bias."""

    weights: npt.NDArray[np.float32]
    bias: float

    def logits(self, rows: Design) -> Floats:
        """Return the logits [n] of posts."""
        summed: Floats = _times(rows, self.weights) + self.bias
        return summed

    def probabilities(self, rows: Design) -> Floats:
        """Return the probabilities [n] of posts."""
        return _sigmoid(self.logits(rows))


def fit_gram_head(
    rows: Design,
    taught: Floats,
    *,
    strength: float,
    weight: Floats | None = None,
    start: GramHead | None = None,
) -> GramHead:
    """Learn from posts what they teach [n]: the least of the summed log loss + strength / 2 |weights|^2.

    `weight` [n] says for how many posts each stands, where only some of those that teach nothing new are passed.
    Newton's steps, each solved by conjugate gradients (Dembo and Steihaug 1983) from `start` on. The bias is held
    back as little as a weight that is seen in every post.
    """
    back, stands = _transposed(rows), np.ones(len(rows)) if weight is None else weight
    weights = np.zeros(rows.width) if start is None else start.weights.astype(np.float64)
    beta = np.append(weights, 0.0 if start is None else start.bias)
    held = np.append(np.full(rows.width, strength), 1e-6)

    def scores(at: Floats) -> Floats:
        summed: Floats = _times(rows, at[:-1]) + at[-1]
        return summed

    def gathered(pull: Floats) -> Floats:
        return np.append(_times(back, pull), pull.sum())

    def cost(z: Floats, at: Floats) -> float:
        return float(stands @ (np.logaddexp(0.0, z) - taught * z) + held @ (at * at) / 2)

    z = scores(beta)
    best, enough = (
        cost(z, beta),
        _ENOUGH * float(np.linalg.norm(gathered(stands * (np.average(taught, weights=stands) - taught)))),
    )
    for _ in range(_STEPS):
        p = _sigmoid(z)
        gradient = gathered(stands * (p - taught)) + held * beta
        size = float(np.linalg.norm(gradient))
        if size <= enough:
            break
        curvature = stands * p * (1.0 - p)

        def curved(way: Floats, by: Floats = curvature) -> Floats:
            return gathered(by * scores(way)) + held * way

        step = _conjugate(curved, gradient, enough=min(0.1, size**0.5))
        length = 1.0
        along = scores(step)
        while length > _LEAST_STEP and cost(z - length * along, beta - length * step) >= best:
            length /= 2
        if length <= _LEAST_STEP:
            break
        beta, z = beta - length * step, z - length * along
        best = cost(z, beta)
    return GramHead(weights=beta[:-1].astype(np.float32), bias=float(beta[-1]))


def _conjugate(curved: Callable[[Floats], Floats], gradient: Floats, *, enough: float) -> Floats:
    """Return x with curved(x) about equal to the gradient."""
    x, left = np.zeros_like(gradient), gradient.copy()
    way, squared = left.copy(), float(left @ left)
    goal = enough**2 * squared
    for _ in range(_INNER):
        bent = curved(way)
        by = squared / float(way @ bent)
        x += by * way
        left -= by * bent
        after = float(left @ left)
        if after <= goal:
            break
        way, squared = left + after / squared * way, after
    return x


def _times(rows: Design, weights: npt.NDArray[np.floating]) -> Floats:
    out = np.empty((len(rows), 1), np.float32)
    column = np.ascontiguousarray(weights, np.float32)[:, None]
    forward(rows.starts, rows.columns, rows.values, column, np.zeros(1, np.float32), out)
    return out[:, 0].astype(np.float64)


def _transposed(rows: Design) -> Design:
    order = np.argsort(rows.columns, kind="stable")
    owner = np.repeat(np.arange(len(rows), dtype=np.int32), np.diff(rows.starts))
    starts = np.zeros(rows.width + 1, np.int64)
    np.cumsum(np.bincount(rows.columns, minlength=rows.width), out=starts[1:])
    return Design(starts=starts, columns=owner[order], values=rows.values[order], width=len(rows))


def _sigmoid(z: Floats) -> Floats:
    p: Floats = 1.0 / (1.0 + np.exp(-np.clip(z, -60.0, 60.0)))
    return p
