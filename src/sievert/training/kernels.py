"""The compiled loops of training. What they are for is told where they are called.

Legend: n rows, d features, K columns.
"""

import numba as nb
import numpy as np


@nb.njit(nogil=True, cache=True)
def merge(indices, parts, stats, table, starts, columns, values):
    """Sum repeated n-grams of a text, add its facts; return the entries used."""
    size = 0
    for i in range(stats.shape[0]):
        for part in range(2):
            low, high = parts[2 * i + part], parts[2 * i + part + 1]
            if high == low:
                continue
            unit = np.float32(1.0) / np.sqrt(np.float32(high - low))
            grams = np.sort(indices[low:high])
            for j in range(grams.shape[0]):
                if j > 0 and grams[j] == grams[j - 1]:
                    values[size - 1] += unit
                else:
                    columns[size] = grams[j]
                    values[size] = unit
                    size += 1
        for s in range(stats.shape[1]):
            if stats[i, s] != 0:
                columns[size] = table + s
                values[size] = stats[i, s]
                size += 1
        starts[i + 1] = size
    return size


@nb.njit(nogil=True, cache=True)
def forward(starts, features, values, weights, bias, outputs):
    """Fill outputs [n, K] with the logits of sparse rows."""
    for i in range(starts.shape[0] - 1):
        outputs[i] = bias
        for j in range(starts[i], starts[i + 1]):
            row = weights[features[j]]
            for k in range(row.shape[0]):
                outputs[i, k] += values[j] * row[k]


@nb.njit(nogil=True, cache=True, fastmath=True)
def run_epoch(
    starts, features, values, y, weight, order, logistic, rate, l2, dropout, seed, weights, squares, bias,
    bias_squares,
):  # fmt: skip
    """Run through all rows once, in `order`, and update weights, squares and biases in place."""
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
