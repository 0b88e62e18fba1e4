"""Quantiles against SciPy's."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, gamma, t

from sievert.measurement.quantiles import beta_below, beta_quantile, student_quantile

COUNTS = st.floats(0.5, 1e5)
LEVELS = st.sampled_from([0.005, 0.025, 0.5, 0.975, 0.995])


@given(LEVELS, COUNTS, COUNTS)
def test_quantiles_of_the_beta_law_are_scipys(level, a, b):
    assert beta_quantile(level, a, b) == pytest.approx(beta.ppf(level, a, b), rel=1e-8)


@given(st.floats(0.001, 0.999), st.floats(0.5, 500), st.floats(0.5, 500))
def test_what_lies_below_is_scipys(x, a, b):
    assert beta_below(x, a, b) == pytest.approx(beta.cdf(x, a, b), rel=1e-9, abs=1e-13)


@pytest.mark.parametrize("many", [1e5, 1e8, 1e11])
def test_of_very_many_draws_the_law_of_poisson_is_left(many):
    assert many * beta_quantile(0.975, 4, many) == pytest.approx(gamma.ppf(0.975, 4), rel=2e-4)


@given(st.integers(1, 10_000), st.sampled_from([0.8, 0.95, 0.999]))
def test_students_quantile_is_scipys(freedom, confidence):
    wanted = t.ppf((1 + confidence) / 2, freedom)
    assert student_quantile(confidence, freedom) == pytest.approx(wanted, rel=1e-8)


def test_students_quantile_falls_to_the_normal_one():
    assert math.isclose(student_quantile(0.95, 1e9), 1.959964, abs_tol=1e-5)
