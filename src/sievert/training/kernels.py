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


@nb.njit(nogil=True, cache=True)
def leave_out(start, stop, limit, state, kept):
    """Write which entries of a row are kept; return how many, and the generator's state."""
    n_kept = 0
    for j in range(start, stop):
        # xorshift: a small generator is enough to leave n-grams out.
        state ^= state << np.uint64(13)
        state ^= state >> np.uint64(7)
        state ^= state << np.uint64(17)
        if (state >> np.uint64(32)) >= limit:
            kept[n_kept] = j
            n_kept += 1
    return n_kept, state


@nb.njit(nogil=True, cache=True, fastmath=True)
def pull_of(z, y, weight, logistic, g):
    """Write what each output [K] pulls at its logit into `g`; the last ones share a softmax."""
    columns = len(z)
    for k in range(logistic):
        g[k] = weight[k] * (np.float32(1.0) / (np.float32(1.0) + np.exp(-z[k])) - y[k])
    if logistic < columns:
        top = z[logistic]
        for k in range(logistic, columns):
            top = max(top, z[k])
        mass = np.float32(0.0)
        for k in range(logistic, columns):
            z[k] = np.exp(z[k] - top)
            mass += z[k]
        for k in range(logistic, columns):
            g[k] = weight[logistic] * (z[k] / mass - y[k])


@nb.njit(nogil=True, cache=True, fastmath=True)
def run_epoch(
    starts, features, values, y, weight, order, logistic, rate, l2, dropout, seed, weights, squares, bias,
    bias_squares,
):  # fmt: skip
    """Run through all rows once, in `order`, and update weights, squares and biases in place."""
    columns = y.shape[1]
    z = np.empty(columns, np.float32)
    g = np.empty(columns, np.float32)
    kept = np.empty(np.max(starts[1:] - starts[:-1]), np.int64)
    state = seed
    keep = np.float32(1.0) - dropout
    limit = np.uint64(dropout * np.float64(4294967296.0))
    for i in order:
        n_kept, state = leave_out(starts[i], starts[i + 1], limit, state, kept)
        for k in range(columns):
            z[k] = np.float32(0.0)
        for m in range(n_kept):
            j = kept[m]
            f = features[j]
            for k in range(columns):
                z[k] += values[j] * weights[f, k]
        for k in range(columns):
            z[k] = z[k] / keep + bias[k]
        pull_of(z, y[i], weight[i], logistic, g)
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


@nb.njit(nogil=True, cache=True, fastmath=True)
def take_step(weight, square, pull, rate):
    """Move a matrix by AdaGrad against the outer product that `pull` gives: (inputs [I], outputs [O])."""
    inputs, outputs = pull
    for i in range(len(inputs)):
        if inputs[i] != np.float32(0.0):
            for o in range(len(outputs)):
                step = inputs[i] * outputs[o]
                square[i, o] += step * step
                weight[i, o] -= rate * step / np.sqrt(square[i, o])


@nb.njit(nogil=True, cache=True, fastmath=True)
def run_network_epoch(
    starts, features, values, facts, y, weight, order, logistic, rate, dropout, seed, net, squares,
):  # fmt: skip
    """Run through all rows once, in `order`, and update the network and its squares in place.

    `net` and `squares` are tuples of arrays: vectors [d, D], dense [S, K], bias [1, K], hidden [D + S, W],
    hidden_bias [1, W], spoken [W, K].
    """
    vectors, dense, bias, hidden, hidden_bias, spoken = net
    columns, width, units = y.shape[1], vectors.shape[1], hidden.shape[1]
    one = np.ones(1, np.float32)
    inputs = np.empty(width + facts.shape[1], np.float32)
    heard = np.empty(units, np.float32)
    heard_pull = np.empty(units, np.float32)
    pull = np.empty(width, np.float32)
    z = np.empty(columns, np.float32)
    g = np.empty(columns, np.float32)
    kept = np.empty(np.max(starts[1:] - starts[:-1]) + 1, np.int64)
    state = seed
    keep = np.float32(1.0) - dropout
    limit = np.uint64(dropout * np.float64(4294967296.0))
    for i in order:
        n_kept, state = leave_out(starts[i], starts[i + 1], limit, state, kept)
        # forward: embedding, hidden units, outputs
        inputs[:width] = np.float32(0.0)
        inputs[width:] = facts[i]
        for m in range(n_kept):
            v = values[kept[m]] / keep
            row = vectors[features[kept[m]]]
            for k in range(width):
                inputs[k] += v * row[k]
        for u in range(units):
            heard[u] = hidden_bias[0, u]
        for n in range(len(inputs)):
            for u in range(units):
                heard[u] += inputs[n] * hidden[n, u]
        for k in range(columns):
            z[k] = bias[0, k] + inputs[k]
            for n in range(facts.shape[1]):
                z[k] += facts[i, n] * dense[n, k]
        for u in range(units):
            heard[u] = max(heard[u], np.float32(0.0))
            for k in range(columns):
                z[k] += heard[u] * spoken[u, k]
        pull_of(z, y[i], weight[i], logistic, g)
        # backward: what reaches the hidden units, then the embedding, with weights as they were
        for u in range(units):
            heard_pull[u] = np.float32(0.0)
            if heard[u] > np.float32(0.0):
                for k in range(columns):
                    heard_pull[u] += g[k] * spoken[u, k]
        for k in range(width):
            pull[k] = g[k] if k < columns else np.float32(0.0)
            for u in range(units):
                pull[k] += heard_pull[u] * hidden[k, u]
        take_step(spoken, squares[5], (heard, g), rate)
        take_step(hidden, squares[3], (inputs, heard_pull), rate)
        take_step(hidden_bias, squares[4], (one, heard_pull), rate)
        take_step(dense, squares[1], (facts[i], g), rate)
        take_step(bias, squares[2], (one, g), rate)
        for m in range(n_kept):
            v = values[kept[m]] / keep
            f = features[kept[m]]
            for k in range(width):
                step = v * pull[k]
                squares[0][f, k] += step * step
                vectors[f, k] -= rate * step / np.sqrt(squares[0][f, k])
