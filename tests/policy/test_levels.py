"""The rules of a path are nested: a post's level says which of them remove it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sievert.policy.removal import level_of, removal_rule
from sievert.schema.policy import Policy

HATE = Policy(name="hate", version=1, category="hate", title="Hate")
NUMBERS = st.lists(st.tuples(st.floats(0, 1, width=32), st.floats(0, 1e4, width=32)), min_size=1, max_size=30)


@given(NUMBERS, st.sampled_from([0.0, 0.5, 5.0]), st.floats(1e-3, 1e6))
def test_a_rule_removes_what_has_its_level_and_nothing_else(posts, lambda_views, lambda_posts):
    p, v = (np.array(column, np.float32) for column in zip(*posts, strict=True))
    level = level_of(p, v, HATE, lambda_views=lambda_views)
    removed = removal_rule(p, v, HATE, lambda_posts=lambda_posts, lambda_views=lambda_views)
    # Where a post lies on the border itself, rounding decides.
    border = np.isclose(level, lambda_posts, rtol=1e-3)
    assert np.array_equal(removed[~border], (level >= lambda_posts)[~border])


@given(NUMBERS)
def test_levels_rise_with_probability_and_with_views(posts):
    p, v = (np.array(column, np.float32) for column in zip(*posts, strict=True))
    level = level_of(p, v, HATE, lambda_views=0.0)
    assert (level_of(np.minimum(p + np.float32(0.01), 1), v, HATE, lambda_views=0.0) >= level).all()
    assert (level_of(p, v * 2, HATE, lambda_views=0.0) >= level).all()
