"""Beta calibration: a smooth map of three numbers that can bend (Kull, Silva Filho and Flach 2017).

"Beta calibration: a well-founded and easily implemented improvement on logistic calibration for binary
classifiers", AISTATS 2017. With s = 1 / (1 + exp(-z)) the natural logit is

    a ln s - b ln(1 - s) + c,        a, b >= 0,

which is what Bayes' rule gives if s has a beta law in each class. Far below 0 its slope in z is a, far above
it is b: a model that is surer of harm than of harmlessness, or the reverse, is mended, as no straight map
can. With a = b it is Platt's.

It is a logistic regression on two features. The best with both slopes at least 0 is the best among those
of four regressions (both free, one 0, both 0) that keep this bound, since the loss is convex.

Not covered: scores that must bend more than once; `fit_logit_map` with pieces does.
"""

import dataclasses
import itertools

import numpy as np
import numpy.typing as npt

from sievert.calibration.logit_map import probability_of
from sievert.calibration.sample import Array, weighed
from sievert.errors import InvalidField

_FEWEST = 3
_RUNAWAY = 1e5
_MOST_STEPS = 200
_CLOSE = 1e-22
_NEAR = 1e-10


@dataclasses.dataclass(frozen=True, slots=True)
class BetaMap:
    """A strictly increasing map from raw to calibrated logit. `numbers` [3] are a, b and c."""

    numbers: Array

    def __post_init__(self) -> None:
        """Refuse numbers under which order would be lost.

        Raises:
            ValueError: there are not three finite numbers, or the slopes are not positive.
        """
        if self.numbers.shape != (3,) or not np.isfinite(self.numbers).all():
            raise ValueError("A beta calibrator has three finite numbers.")
        if (self.numbers[:2] < 0).any() or not self.numbers[:2].sum() > 0:
            raise ValueError("A beta calibrator must rise: a and b are at least 0, and not both 0.")

    def logits(self, z: npt.ArrayLike) -> Array:
        """Return the calibrated logits of raw logits z [n]."""
        calibrated: Array = _features(np.asarray(z, np.float64)) @ self.numbers
        return calibrated

    def apply(self, z: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Return the probabilities of raw logits z [n], float32, never exactly 0 or 1."""
        return probability_of(self.logits(z))

    def arrays(self) -> dict[str, Array]:
        """Return what a bundle would keep of the map."""
        return {"beta": self.numbers}


def fit_beta(
    z: npt.ArrayLike,
    y: npt.ArrayLike,
    weight: npt.ArrayLike | None = None,
    *,
    prevalence: float | None = None,
    unseen: bool = True,
) -> BetaMap:
    """Fit beta calibration to raw logits z [n] with labels y [n], every post weighed as in traffic.

    z must be a logit whose 0 means something, as a model's own does: there the map bends. Without `unseen`
    (see `sample.weighed`) it is the method as published.

    Raises:
        InvalidField: as `sample.weighed`; the scores do not rise with harm, or part both kinds completely.
    """
    sample = weighed(z, y, weight, prevalence=prevalence, fewest=_FEWEST, unseen=unseen)
    if sample.z[sample.y].min() >= sample.z[~sample.y].max():
        raise InvalidField(
            "No harmless post scores above any harmful one: how sure the map may be, nothing here says.",
            remedy="Label more posts, harmless ones with high scores above all, or keep `unseen`.",
            field="z",
        )
    x, y_true = _features(sample.z), sample.y.astype(np.float64)
    best, least = np.zeros(3), np.inf
    for kept in itertools.product((True, False), repeat=2):
        free = np.array([*kept, True])
        beta, loss = _regression(x[:, free], y_true, sample.weight)
        numbers = np.zeros(3)
        numbers[free] = beta
        if (numbers[:2] >= 0).all() and loss < least:
            best, least = numbers, loss
    if not best[:2].any():
        raise InvalidField(
            "Posts with higher scores are not more often harmful.",
            remedy="Check the sign of the scores, and that scores and labels belong to the same posts.",
            field="z",
        )
    return BetaMap(numbers=best)


def _features(z: Array) -> Array:
    """Return ln s, -ln(1 - s) and 1 of logits z [n], as [n, 3]."""
    return np.stack([-np.logaddexp(0.0, -z), np.logaddexp(0.0, z), np.ones_like(z)], axis=-1)


def _regression(x: Array, y: Array, weight: Array) -> tuple[Array, float]:
    """Return (coefficients [k], loss) of a weighted logistic regression on x [n, k], by damped Newton steps."""
    beta = np.zeros(x.shape[1])
    share = float(weight @ y) / float(weight.sum())
    beta[-1] = np.log(share / (1 - share))
    loss = _loss(x, y, weight, beta)
    for _ in range(_MOST_STEPS):
        p = 1 / (1 + np.exp(-np.clip(x @ beta, -60, 60)))
        gradient = x.T @ (weight * (p - y))
        curvature = (x * (weight * p * (1 - p))[:, None]).T @ x
        ridge = 1e-14 * float(np.trace(curvature)) + 1e-300
        step = np.linalg.solve(curvature + ridge * np.eye(len(beta)), gradient)
        promised = float(gradient @ step)
        size = 1.0
        trial = _loss(x, y, weight, beta - step)
        # Near the optimum a gain is below what the loss can tell: the full step is right there.
        while promised > _NEAR * abs(loss) and trial > loss - 1e-4 * size * promised and size > _NEAR:
            size /= 2
            trial = _loss(x, y, weight, beta - size * step)
        beta, loss = beta - size * step, trial
        # Without the bound a regression may have no optimum; such a one has a falling slope.
        if promised <= _CLOSE or np.abs(beta).max() > _RUNAWAY:
            break
    return beta, loss


def _loss(x: Array, y: Array, weight: Array, beta: Array) -> float:
    z = x @ beta
    return float(weight @ (np.logaddexp(0.0, z) - y * z))
