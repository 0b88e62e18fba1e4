"""What posts are about, roughly and at once: clusters of the words that they use.

A text is the mean of the vectors by which an encoder knows its tokens before it reads them, rare tokens
counting more (Sparck Jones 1972). Means are clustered by their direction (k-means on the sphere, Dhillon
and Modha 2001). That takes seconds where reading all texts would take minutes, and is enough to put posts
about the same into one batch.

Not covered: what a picture shows, but for its words; languages side by side make topics of their own.

Legend: n posts, V tokens that an encoder knows, d width, k topics.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import embedding_bag, normalize

from sievert.training.material import MaterialFold

Rows = npt.NDArray[np.int64]

_ROUNDS = 10
_AT_ONCE = 4096


@torch.inference_mode()
def topics_of(fold: MaterialFold, rows: Rows, table: Tensor, *, topics: int, seed: int) -> Rows:
    """Return the topic [n], from 0, of contents [n]; `table` [V, d] are the vectors of tokens."""
    vectors = _means(fold, rows, table.detach().float().cpu())
    generator = torch.Generator().manual_seed(seed)
    centres = vectors[torch.randperm(len(vectors), generator=generator)[:topics]]
    nearest = torch.zeros(len(vectors), dtype=torch.long)
    for _ in range(_ROUNDS):
        nearest = torch.cat([(some @ centres.T).argmax(dim=1) for some in torch.split(vectors, _AT_ONCE)])
        sums = torch.zeros_like(centres).index_add_(0, nearest, vectors)
        empty = torch.bincount(nearest, minlength=len(centres)) == 0
        centres = torch.where(empty[:, None], centres, normalize(sums, dim=1))
    found: Rows = nearest.numpy()
    return found


def _means(fold: MaterialFold, rows: Rows, table: Tensor) -> Tensor:
    starts, flat = fold.columns["token_starts"], fold.columns["token_ids"]
    sizes = starts[rows + 1] - starts[rows]
    begin = np.cumsum(sizes) - sizes
    places = np.arange(int(sizes.sum())) + np.repeat(starts[rows] - begin, sizes)
    ids = flat[places].astype(np.int64)
    of = np.repeat(np.arange(len(rows)), sizes)
    once = np.unique(np.stack([of, ids]), axis=1)[1]
    rarity = np.log(len(rows) / np.maximum(1, np.bincount(once, minlength=len(table)))).astype(np.float32)
    sums = embedding_bag(
        torch.from_numpy(ids),
        table,
        torch.from_numpy(begin.astype(np.int64)),
        mode="sum",
        per_sample_weights=torch.from_numpy(rarity)[torch.from_numpy(ids)],
    )
    sums = normalize(sums, dim=1)
    return normalize(sums - sums.mean(dim=0), dim=1)
