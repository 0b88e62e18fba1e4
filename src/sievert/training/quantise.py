"""Weights in one byte each: a scale a column, chosen where the rounding hurts least.

Post-training rounding to int8 with one scale a column. The scale may cut off a few large weights if
that rounds the many small ones better; of several candidates the least squared error wins.
"""

import numpy as np
import numpy.typing as npt

_CANDIDATES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)
_MOST = 127


def quantise_columns(
    weights: npt.NDArray[np.float32], importance: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Return (table [d, K] int8, scale [K]) with table * scale close to weights [d, K].

    `importance` [d] is how often each feature occurs: errors of common features count more.
    """
    table = np.zeros(weights.shape, np.int8)
    scale = np.ones(weights.shape[1], np.float32)
    for k in range(weights.shape[1]):
        column = weights[:, k]
        top = float(np.abs(column).max())
        if top == 0.0:
            continue
        best = np.inf
        for share in _CANDIDATES:
            step = np.float32(top * share / _MOST)
            steps = np.clip(np.rint(column / step), -_MOST, _MOST)
            error = float(importance @ np.square(steps * step - column))
            if error < best:
                best, table[:, k], scale[k] = error, steps.astype(np.int8), step
    return table, scale
