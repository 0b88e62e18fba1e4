"""Beta calibration against SciPy's optimum, and what it mends."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from sievert.calibration.beta import fit_beta
from sievert.calibration.fitting import fit_logit_map
from sievert.errors import InvalidField


def sample(seed, size=400):
    rng = np.random.default_rng(seed)
    y = rng.random(size) < 0.5
    y[:5], y[5:10] = True, False
    return 1.5 * (rng.normal(1.5 * y, 1.0) - 0.75), y, rng.uniform(0.2, 3.0, size)


def loss(numbers, z, y, weight):
    a, b, c = numbers
    logits = -a * np.logaddexp(0, -z) + b * np.logaddexp(0, z) + c
    return np.average(np.logaddexp(0, logits) - y * logits, weights=weight)


@given(st.integers(0, 10_000))
def test_no_numbers_are_better(seed):
    z, y, weight = sample(seed)
    found = fit_beta(z, y, weight, unseen=False).numbers
    best = minimize(
        loss,
        np.array([0.5, 0.5, 0.0]),
        args=(z, y, weight),
        method="L-BFGS-B",
        bounds=[(0, None), (0, None), (None, None)],
        options={"ftol": 1e-15, "gtol": 1e-10, "maxiter": 2000},
    )
    assert loss(found, z, y, weight) <= best.fun + 1e-10
    np.testing.assert_allclose(found, best.x, atol=2e-3)


def test_scikit_learns_regression_on_its_features_finds_the_same():
    z, y, weight = sample(8, size=3000)
    x = np.column_stack([-np.logaddexp(0, -z), np.logaddexp(0, z)])
    regression = LogisticRegression(C=np.inf, tol=1e-12, max_iter=10_000).fit(x, y, sample_weight=weight)
    numbers = fit_beta(z, y, weight, unseen=False).numbers
    assert (regression.coef_ > 0).all()
    np.testing.assert_allclose(numbers, [*regression.coef_[0], regression.intercept_[0]], rtol=1e-4)


@pytest.mark.parametrize("side", [0, 1])
def test_where_a_slope_would_fall_it_is_flat(side):
    rng = np.random.default_rng(4)
    z = rng.normal(0, 4, 20_000)
    sign = 1 if side else -1
    bent = np.where(sign * z > 0, -0.3 * z, 0.9 * z)
    y = rng.random(len(z)) < 1 / (1 + np.exp(-bent))
    numbers = fit_beta(z, y, unseen=False).numbers
    assert numbers[side] == 0
    assert numbers[1 - side] > 0.3


def test_it_finds_the_numbers_that_the_world_has():
    rng = np.random.default_rng(5)
    z = rng.normal(0, 3, 400_000)
    true = -0.6 * np.logaddexp(0, -z) + 1.4 * np.logaddexp(0, z) - 2.0
    y = rng.random(len(z)) < 1 / (1 + np.exp(-true))
    np.testing.assert_allclose(fit_beta(z, y).numbers, [0.6, 1.4, -2.0], atol=0.03)
    straight = fit_logit_map(z, y)
    assert np.abs(fit_beta(z, y).logits(z) - true).mean() < 0.1 * np.abs(straight.logits(z) - true).mean()


def test_where_no_false_alarm_was_seen_one_is_thought_of():
    z, y = np.array([-3.0, -2.0, -1.0, 1.0, 2.0, 3.0]), np.array([0, 0, 0, 1, 1, 1])
    with pytest.raises(InvalidField, match="No harmless post scores above"):
        fit_beta(z, y, unseen=False)
    assert fit_beta(z, y).apply([3.0])[0] < 0.9
