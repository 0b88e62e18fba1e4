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

import numpy as np
import numpy.typing as npt

from sievert.training.design import Design
from sievert.training.kernels import forward, run_epoch


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
        forward(x.starts, x.columns, x.values, self.weights, self.bias, outputs)
        return outputs


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LightNetwork:
    """Vectors of n-grams and content facts into a small network; S facts, D wide vectors, W hidden units."""

    vectors: npt.NDArray[np.float32]  # [d - S, D]
    dense: npt.NDArray[np.float32]  # [S, K]
    bias: npt.NDArray[np.float32]  # [K]
    hidden: npt.NDArray[np.float32]  # [D + S, W]
    hidden_bias: npt.NDArray[np.float32]  # [W]
    spoken: npt.NDArray[np.float32]  # [W, K]

    def outputs(self, x: Design) -> npt.NDArray[np.float32]:
        """Return the logits [n, K] of a design."""
        grams, facts = x.apart(len(self.dense))
        embedded = LinearHeads(self.vectors, np.zeros(self.vectors.shape[1], np.float32)).outputs(grams)
        hidden = np.concatenate([embedded, facts], axis=1) @ self.hidden + self.hidden_bias
        direct = embedded[:, : len(self.bias)] + facts @ self.dense + self.bias
        outputs: npt.NDArray[np.float32] = direct + np.maximum(hidden, 0) @ self.spoken
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
        run_epoch(
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
