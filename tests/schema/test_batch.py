"""Batches of posts, and what is left of them."""

import numba
import numpy as np
import pytest

from sievert.schema.post import Post
from sievert.testing import batch_of


@pytest.mark.parametrize("rows", [[], [1], [0, 1]])
def test_kernels_that_are_compiled_for_a_batch_also_take_what_is_left_of_it(rows):
    whole = batch_of([Post(id="a", text="x"), Post(id="b", text="y")])
    left = whole.take(np.array(rows, np.intp))
    assert bytes(left.text.data) == b"".join([b"x", b"y"][row] for row in rows)
    assert numba.typeof(left.text.data) == numba.typeof(whole.text.data)
    assert numba.typeof(left.text.offsets) == numba.typeof(whole.text.offsets)
