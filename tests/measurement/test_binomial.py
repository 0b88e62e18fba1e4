"""Exact bounds against SciPy's, and against simulated samples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, binom

from sievert.measurement.binomial import at_most, highest_share


@given(st.integers(1, 3000), st.floats(0, 1), st.sampled_from([0.8, 0.95, 0.999]))
def test_the_bound_is_that_of_clopper_and_pearson(of, part, confidence):
    seen = int(part * of)
    wanted = 1.0 if seen == of else beta.ppf(confidence, seen + 1, of - seen)
    assert highest_share(seen, of, confidence=confidence) == pytest.approx(wanted, abs=1e-9)


@given(st.integers(1, 3000), st.floats(0, 1), st.floats(0, 1))
def test_the_tail_is_that_of_the_binomial_distribution(of, part, share):
    seen = int(part * of)
    assert at_most(seen, of, share) == pytest.approx(binom.cdf(seen, of, share), abs=1e-9)


def test_nothing_seen_says_little_of_a_small_sample():
    assert highest_share(0, 60, confidence=0.95) == pytest.approx(0.0487, abs=1e-4)


def test_it_is_exceeded_as_seldom_as_it_says():
    rng = np.random.default_rng(7)
    seen = rng.binomial(80, 0.03, size=4000)
    bounds = {k: highest_share(int(k), 80, confidence=0.95) for k in set(seen.tolist())}
    assert np.mean([bounds[k] < 0.03 for k in seen.tolist()]) <= 0.05
