"""MinHash: texts that share most of their n-grams have nearly equal signatures (Broder 1997).

The n-grams are those that the model itself reads, so that accents, case, look-alike letters and
spaced words change little. The share of equal values estimates the share of n-grams in common.

Compiled. Not covered: paraphrases; they share meaning and not n-grams.
"""

import numba as nb
import numpy as np
import numpy.typing as npt

from sievert.features.content.fold import FoldTables
from sievert.features.content.ngrams import index_batch
from sievert.schema.batch import TextColumn

_SEED = 2027
"""Never changes: kept signatures are compared with new ones."""


def minhash(text: TextColumn, fold: FoldTables, *, values: int) -> npt.NDArray[np.uint64]:
    """Return the [n, values] smallest hashes of each text's n-grams, zeros for a text without any.

    The first values are the same, however many are asked for.
    """
    indexed = index_batch(text, fold, bits=31)
    rng = np.random.default_rng(_SEED)
    factors = rng.integers(1, 2**63, values, dtype=np.uint64) | np.uint64(1)
    signatures = np.zeros((len(text), values), np.uint64)
    _smallest(indexed.indices, indexed.starts[::2].copy(), factors, signatures)
    return signatures


@nb.njit(nogil=True, cache=True)
def _smallest(grams, starts, factors, signatures):
    """Write the smallest hash of each text's n-grams by each factor; texts without n-grams are left out."""
    for i in range(signatures.shape[0]):
        if starts[i] == starts[i + 1]:
            continue
        for p in range(factors.shape[0]):
            factor, smallest = factors[p], np.uint64(2**64 - 1)
            for j in range(starts[i], starts[i + 1]):
                hashed = np.uint64(grams[j]) * factor
                hashed ^= hashed >> np.uint64(31)
                smallest = min(smallest, hashed)
            signatures[i, p] = smallest
