"""A calibrated probability, set right once more by a few labels.

What a calibrator learned on one population is off on the next one: a little too sure, or not sure enough.
A few hundred labels cannot carry a calibrator of their own, but they can move one. The map from stated to
true logit is a line near the identity: slope and shift have normal priors around 1 and 0, and the labels
move them as far as they must (the mode of the posterior of a logistic regression).

Labels may be drawn in any way that hangs on the stated probability alone, or on what is independent of
harm given it: no weights are needed then. Audits of a removal rule are such a sample.

Not covered: curves. What a line cannot mend needs a calibrator of its own (`fitting`).
"""

import numpy as np
import numpy.typing as npt

from sievert.calibration.logit_map import LogitMap

Array = npt.NDArray[np.float64]

SLOPE_SPREAD, SHIFT_SPREAD = 0.2, 0.5
"""Standard deviations of how far calibrators were off before any label was seen."""

_LEAST_SLOPE = 0.1
_STEPS = 50


def recalibrated(z: npt.ArrayLike, y: npt.ArrayLike) -> LogitMap:
    """Return the map from stated logits to better ones, from labelled posts with logits z [n] and labels y [n].

    Labels are 0 or 1, or probabilities. Without labels it is the identity.
    """
    stated, label = np.asarray(z, np.float64), np.asarray(y, np.float64)
    x = np.column_stack([np.ones(len(stated)), stated])
    held = np.array([SHIFT_SPREAD, SLOPE_SPREAD]) ** -2.0
    usual = np.array([0.0, 1.0])
    beta = usual.copy()
    best = _loss(x, label, beta, usual, held)
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-np.clip(x @ beta, -60, 60)))
        gradient = x.T @ (p - label) + held * (beta - usual)
        curvature = (x * (p * (1 - p))[:, None]).T @ x + np.diag(held)
        step, size = np.linalg.solve(curvature, gradient), 1.0
        while size > 1e-6 and (loss := _loss(x, label, beta - size * step, usual, held)) > best:
            size /= 2
        if size <= 1e-6 or best - loss < 1e-12:
            break
        beta, best = beta - size * step, loss
    shift, slope = float(beta[0]), max(float(beta[1]), _LEAST_SLOPE)
    return LogitMap(x=np.array([-1.0, 1.0]), y=np.array([shift - slope, shift + slope]))


def _loss(x: Array, y: Array, beta: Array, usual: Array, held: Array) -> float:
    z = x @ beta
    return float(np.sum(np.logaddexp(0.0, z) - y * z) + held @ (beta - usual) ** 2 / 2)
