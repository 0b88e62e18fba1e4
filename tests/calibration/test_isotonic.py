"""Isotonic calibration against scikit-learn's."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from sievert.calibration.isotonic import fit_isotonic


@given(st.integers(0, 10_000), st.booleans(), st.booleans())
def test_it_is_scikit_learns_to_the_last_digits(seed, ties, weights):
    rng = np.random.default_rng(seed)
    y = rng.random(200) < 0.4
    y[:20], y[20:40] = True, False
    z = rng.normal(1.0 * y, 1.0)
    z = np.round(z, 1) if ties else z
    weight = rng.uniform(0.01, 5.0, 200) if weights else np.ones(200)

    found = fit_isotonic(z, y, weight)

    theirs = IsotonicRegression(out_of_bounds="clip").fit(z, y, sample_weight=weight)
    asked = np.concatenate([z, rng.normal(0.5, 2.0, 100)])
    np.testing.assert_allclose(found.apply(asked), theirs.predict(asked), atol=1e-6)
    np.testing.assert_allclose(found.probability, theirs.predict(found.score), atol=1e-12)


def test_scores_that_fall_with_harm_give_the_prevalence():
    y = np.arange(100) < 50
    found = fit_isotonic(np.arange(100.0), y, prevalence=0.01)
    np.testing.assert_allclose(found.apply([-5.0, 50.0, 500.0]), 0.01, rtol=1e-6)


def test_fifty_thousand_posts_keep_few_knots():
    rng = np.random.default_rng(2)
    y = np.arange(50_000) < 25_000
    found = fit_isotonic(rng.normal(2.0 * y, 1.0), y, prevalence=0.008)
    assert len(found.score) < 1000
