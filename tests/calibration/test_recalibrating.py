"""Few labels move a calibrated probability as far as they must, and no further."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from sievert.calibration.recalibrating import SHIFT_SPREAD, SLOPE_SPREAD, recalibrated


def drawn(rng, count, shift, slope):
    z = rng.normal(2.0, 1.0, count)
    return z, rng.random(count) < 1 / (1 + np.exp(-(shift + slope * z)))


def line(found):
    low, high = found.logits([0.0, 1.0])
    return low, high - low


def test_without_labels_nothing_moves():
    assert recalibrated([], []).logits([-3.0, 0.0, 7.0]) == pytest.approx([-3.0, 0.0, 7.0])


def test_many_labels_find_the_line():
    rng = np.random.default_rng(1)
    assert line(recalibrated(*drawn(rng, 50_000, -0.4, 1.15))) == pytest.approx((-0.4, 1.15), abs=0.1)


@given(st.integers(0, 1000), st.integers(1, 200), st.floats(-1, 1), st.floats(0.6, 1.4))
def test_it_is_the_mode_that_another_optimiser_finds(seed, count, shift, slope):
    z, y = drawn(np.random.default_rng(seed), count, shift, slope)

    def loss(beta):
        logit = beta[0] + beta[1] * z
        held = (beta[0] / SHIFT_SPREAD) ** 2 + ((beta[1] - 1) / SLOPE_SPREAD) ** 2
        return float(np.sum(np.logaddexp(0, logit) - y * logit) + held / 2)

    assert line(recalibrated(z, y)) == pytest.approx(minimize(loss, [0.0, 1.0]).x, abs=1e-3)


def test_sampling_by_the_stated_probability_needs_no_weights():
    rng = np.random.default_rng(2)
    z, y = drawn(rng, 200_000, 0.3, 0.9)
    kept = rng.random(len(z)) < 1 / (1 + np.exp(-2 * (z - 2)))
    assert line(recalibrated(z[kept], y[kept])) == pytest.approx((0.3, 0.9), abs=0.08)


def test_labels_of_one_kind_are_no_reason_to_be_certain():
    shift, slope = line(recalibrated(np.full(5, 2.0), np.ones(5, bool)))
    assert 0 < shift < 0.5
    assert 1 < slope < 1.2
