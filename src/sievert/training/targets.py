"""Labels and weights as arrays: what each row says about each head, and how much that counts.

Legend: n rows, H heads.
"""

import numpy as np
import numpy.typing as npt

from sievert.datasets.corpora import Row


def label_matrix(rows: list[Row], heads: tuple[str, ...]) -> npt.NDArray[np.int8]:
    """Return [n, H] of 1, 0, and -1 for unknown."""
    labels = np.full((len(rows), len(heads)), -1, np.int8)
    for i, row in enumerate(rows):
        for h, head in enumerate(heads):
            labels[i, h] = row.labels.get(head, -1)
    return labels


def corpus_weights(
    corpora: npt.NDArray[np.str_], labels: npt.NDArray[np.int8], *, flatten: float, harmful_share: float
) -> npt.NDArray[np.float32]:
    """Weigh rows [n] so that no corpus dominates and no corpus's balance gives it away.

    A corpus that knows this head's label of m rows has mass m ** flatten, of which harmful rows share
    `harmful_share`, in every corpus alike: knowing the corpus says nothing about the label. A corpus
    of one class has that class's share only. Unknown labels weigh 0, known ones 1 on average.
    """
    weight = np.zeros(len(labels), np.float64)
    for corpus in np.unique(corpora):
        known = (corpora == corpus) & (labels >= 0)
        mass = float(known.sum()) ** flatten
        for value, share in ((1, harmful_share), (0, 1.0 - harmful_share)):
            mine = known & (labels == value)
            if mine.any():
                weight[mine] = mass * share / mine.sum()
    known = labels >= 0
    if known.any():
        weight[known] /= weight[known].mean()
    return weight.astype(np.float32)


def head_weights(
    corpora: npt.NDArray[np.str_], labels: npt.NDArray[np.int8], *, flatten: float, harmful_share: float
) -> npt.NDArray[np.float32]:
    """Weigh rows for each head by itself: labels [n, H] to weights [n, H], each column as above."""
    columns = [
        corpus_weights(corpora, column, flatten=flatten, harmful_share=harmful_share) for column in labels.T
    ]
    return np.stack(columns, axis=1)
