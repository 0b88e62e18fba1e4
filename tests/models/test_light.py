"""The light student counts the very n-grams that serving counts, and weighs them alike."""

import numpy as np
import torch

from sievert.features.content.collation import gram_bags
from sievert.features.content.fold import build_fold_tables
from sievert.features.content.ngrams import index_batch, score_batch
from sievert.models.batch import Grams, PostBatch
from sievert.schema.batch import TextColumn
from tiny_models import BITS, tiny

TEXTS = ["Good morning", "", "b a d w o r d", "bädword http://x.example @you", "!!!", "one two three " * 40]


def grams_of(texts, fold):
    bags = gram_bags(index_batch(TextColumn.of(texts), fold, bits=BITS))
    return Grams(
        indices=torch.from_numpy(bags.indices),
        weights=torch.from_numpy(bags.weights),
        starts=torch.from_numpy(bags.starts),
    )


def test_sums_are_those_of_the_kernel_that_serves():
    fold = build_fold_tables()
    rng = np.random.default_rng(1)
    table = rng.integers(-127, 128, (1 << BITS, 6)).astype(np.int8)
    scale = rng.uniform(0.001, 0.01, 6).astype(np.float32)
    served = score_batch(TextColumn.of(TEXTS), fold, table=table, scale=scale)
    light = tiny("light")
    with torch.no_grad():
        light.table.weight.copy_(torch.from_numpy(table * scale))
        sums = light.sums(PostBatch(posts=len(TEXTS), grams=grams_of(TEXTS, fold)))
    assert np.abs(served.sums).max() > 0.1
    np.testing.assert_allclose(sums.numpy(), served.sums, atol=1e-5, rtol=1e-4)
    assert (sums[[1]] == 0).all()
