"""Linear heads learned together: logistic for harm and policies, softmax for the language.

One pass reads a text's n-grams once for all columns, since their weights lie side by side. Steps are
AdaGrad's (Duchi, Hazan and Singer 2011), so that rare n-grams learn as fast as common ones; the
result is the average of the weights at the end of each epoch of the later half (Polyak and
Juditsky 1992). The order of the rows follows from the seed: the same input gives the same weights.

What we changed: the L2 penalty is paid by a weight whenever its n-gram occurs, not on every step,
and an occurrence may be left out at random (dropout), which keeps single n-grams from carrying a
verdict alone.

Legend: n rows, d features, H logistic columns, K = H + language columns.
"""

import dataclasses
from collections.abc import Callable

import numba as nb
import numpy as np
import numpy.typing as npt

from sievert.training.design import Design


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SolverSettings:
    """How long and how carefully the heads learn."""

    epochs: int
    rate: float
    l2: float
    dropout: float


@dataclasses.dataclass(frozen=True, slots=True)
class LinearHeads:
    """Weights of K columns over d features."""

    weights: npt.NDArray[np.float32]  # [d, K]
    bias: npt.NDArray[np.float32]  # [K]

    def outputs(self, x: Design) -> npt.NDArray[np.float32]:
        """Return the logits [n, K] of a design."""
        outputs = np.empty((len(x), len(self.bias)), np.float32)
        _forward(x.starts, x.columns, x.values, self.weights, self.bias, outputs)
        return outputs


def fit_heads(
    x: Design,
    y: npt.NDArray[np.float32],
    weight: npt.NDArray[np.float32],
    *,
    logistic: int,
    settings: SolverSettings,
    seed: int,
    epoch_done: Callable[[int], None] = lambda _: None,
) -> LinearHeads:
    """Learn K columns at once.

    Shapes: y, weight [n, K]. A weight of 0 means that the row says nothing about the column; for the
    language columns a row's first language weight counts. The first `logistic` columns are
    independent, the others share one softmax. Weights should be 1 on average.
    """
    columns = y.shape[1]
    rng = np.random.default_rng(seed)
    weights = np.zeros((x.width, columns), np.float32)
    squares = np.full((x.width, columns), 1e-8, np.float32)
    bias = np.zeros(columns, np.float32)
    bias_squares = np.full(columns, 1e-8, np.float32)
    total, total_bias, averaged = np.zeros_like(weights), np.zeros_like(bias), 0
    for epoch in range(settings.epochs):
        _epoch(
            x.starts, x.columns, x.values, y, weight, rng.permutation(len(x)), logistic,
            np.float32(settings.rate), np.float32(settings.l2), np.float32(settings.dropout),
            np.uint64(rng.integers(1, 2**63)), weights, squares, bias, bias_squares,
        )  # fmt: skip
        if 2 * epoch >= settings.epochs:
            total += weights
            total_bias += bias
            averaged += 1
        epoch_done(epoch)
    return LinearHeads(weights=total / np.float32(averaged), bias=total_bias / np.float32(averaged))


@nb.njit(nogil=True, cache=True)
def _forward(starts, features, values, weights, bias, outputs):
    for i in range(starts.shape[0] - 1):
        outputs[i] = bias
        for j in range(starts[i], starts[i + 1]):
            row = weights[features[j]]
            for k in range(row.shape[0]):
                outputs[i, k] += values[j] * row[k]


@nb.njit(nogil=True, cache=True, fastmath=True)
def _epoch(
    starts, features, values, y, weight, order, logistic, rate, l2, dropout, seed, weights, squares, bias,
    bias_squares,
):  # fmt: skip
    columns = y.shape[1]
    z = np.empty(columns, np.float32)
    g = np.empty(columns, np.float32)
    longest = 0
    for i in range(starts.shape[0] - 1):
        longest = max(longest, starts[i + 1] - starts[i])
    kept = np.empty(longest, np.int64)
    state = seed
    keep = np.float32(1.0) - dropout
    limit = np.uint64(dropout * np.float64(4294967296.0))
    for i in order:
        n_kept = 0
        for j in range(starts[i], starts[i + 1]):
            # xorshift: a small generator is enough to leave n-grams out.
            state ^= state << np.uint64(13)
            state ^= state >> np.uint64(7)
            state ^= state << np.uint64(17)
            if (state >> np.uint64(32)) >= limit:
                kept[n_kept] = j
                n_kept += 1
        for k in range(columns):
            z[k] = np.float32(0.0)
        for m in range(n_kept):
            j = kept[m]
            f = features[j]
            for k in range(columns):
                z[k] += values[j] * weights[f, k]
        for k in range(columns):
            z[k] = z[k] / keep + bias[k]
        for k in range(logistic):
            g[k] = weight[i, k] * (np.float32(1.0) / (np.float32(1.0) + np.exp(-z[k])) - y[i, k])
        if logistic < columns:
            top = z[logistic]
            for k in range(logistic, columns):
                top = max(top, z[k])
            mass = np.float32(0.0)
            for k in range(logistic, columns):
                z[k] = np.exp(z[k] - top)
                mass += z[k]
            for k in range(logistic, columns):
                g[k] = weight[i, logistic] * (z[k] / mass - y[i, k])
        for m in range(n_kept):
            j = kept[m]
            f = features[j]
            v = values[j] / keep
            for k in range(columns):
                # What a row does not speak of, it does not touch, not even by the penalty.
                if g[k] != np.float32(0.0):
                    step = g[k] * v
                    squares[f, k] += step * step
                    weights[f, k] -= rate * (step / np.sqrt(squares[f, k]) + l2 * weights[f, k])
        for k in range(columns):
            bias_squares[k] += g[k] * g[k]
            bias[k] -= rate * g[k] / np.sqrt(bias_squares[k])
