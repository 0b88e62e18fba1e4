"""Rates: small numbers do not fool them, and priors are found where they were."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sievert.features.behaviour.rates import (
    Prior,
    fit_by_segment,
    fit_prior,
    log_likelihood,
    posterior_mean,
    posterior_spread,
)
from sievert.features.behaviour.rows import DEFAULT_RATES, FOUND

counts = st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)).map(sorted)


def mean_of(k, n, prior):
    return float(posterior_mean(np.array([float(k)]), np.array([float(n)]), prior)[0])


@pytest.mark.parametrize("rate", [*DEFAULT_RATES, FOUND], ids=lambda rate: rate.name)
def test_pitfall_17_one_of_one_ranks_below_eighty_of_a_hundred(rate):
    """Red when a rate is the plain ratio k / n."""
    assert mean_of(1, 1, rate.prior) < mean_of(80, 100, rate.prior)


@given(st.floats(1e-4, 0.3), st.floats(1.0, 1e4))
def test_one_of_one_ranks_below_eighty_of_a_hundred_whatever_the_prior(mean, strength):
    prior = Prior(a=mean * strength, b=(1 - mean) * strength)
    assert mean_of(1, 1, prior) < mean_of(80, 100, prior)


@given(counts, st.floats(0.01, 50), st.floats(0.01, 500))
def test_a_rate_lies_between_the_prior_and_what_was_seen(seen, a, b):
    k, n = seen
    prior = Prior(a=a, b=b)
    believed = mean_of(k, n, prior)
    low, high = sorted((prior.mean, k / n if n else prior.mean))
    assert low - 1e-9 <= believed <= high + 1e-9
    expected = stats.beta(k + a, n - k + b)
    assert believed == pytest.approx(expected.mean(), rel=1e-9)
    spread = float(posterior_spread(np.array([float(k)]), np.array([float(n)]), prior)[0])
    assert spread == pytest.approx(expected.std(), rel=1e-6, abs=1e-12)


@given(st.lists(counts, min_size=1, max_size=20), st.floats(0.001, 0.5), st.floats(0.5, 1000))
def test_the_likelihood_is_that_of_the_beta_binomial(seen, mean, strength):
    k, n = (np.array(column, np.float64) for column in zip(*seen, strict=True))
    a, b = mean * strength, (1 - mean) * strength
    full = stats.betabinom.logpmf(k, n, a, b).sum()
    # Less the binomial coefficients, which say nothing about the prior.
    coefficients = stats.betabinom.logpmf(k, n, 1, 1).sum() - log_likelihood(k, n, 0.5, 2.0)
    assert log_likelihood(k, n, mean, strength) == pytest.approx(full - coefficients, rel=1e-5, abs=1e-4)


@pytest.mark.parametrize(("a", "b"), [(0.3, 60.0), (2.0, 20.0), (5.0, 5.0)])
def test_a_prior_is_found_again(a, b):
    rng = np.random.default_rng(4)
    n = rng.integers(1, 400, 6000)
    k = rng.binomial(n, rng.beta(a, b, 6000)).astype(np.float64)
    found = fit_prior(k, n.astype(np.float64), otherwise=Prior(a=1, b=1))
    assert found.mean == pytest.approx(a / (a + b), rel=0.08)
    assert found.a + found.b == pytest.approx(a + b, rel=0.25)


def test_thin_segments_take_the_prior_of_all():
    rng = np.random.default_rng(4)
    n = np.full(3000, 100.0)
    segment = np.where(np.arange(3000) < 2990, 0, 1)
    k = rng.binomial(100, rng.beta(2, 50, 3000)).astype(np.float64)
    k[segment == 1] = 0
    fallback = Prior(a=9, b=9)
    priors = fit_by_segment(k, n, segment, segments=3, otherwise=fallback)
    assert priors[1] == priors[2] == fit_prior(k, n, otherwise=fallback)
    assert fit_prior(np.zeros(5), np.ones(5), otherwise=fallback) == fallback
