import numpy as np
import pytest

from sievert.measurement.reliability import reliability


def sample(count=200_000, *, seed=0):
    rng = np.random.default_rng(seed)
    p = 1 / (1 + np.exp(-rng.normal(-6.0, 2.0, count)))
    return rng.random(count) < p, p


def test_true_probabilities_have_almost_no_error():
    y, p = sample()

    table = reliability(y, p, prevalence=float(y.mean()))

    assert table.expected_error < 0.001
    inside = [one.observed_low <= one.stated <= one.observed_high for one in table.bins]
    assert sum(inside) >= len(inside) - 1


def test_overstated_probabilities_are_found():
    y, p = sample()

    table = reliability(y, np.sqrt(p), prevalence=float(y.mean()))

    assert table.expected_error > 0.05
    assert table.mean_stated > 3 * y.mean()


def test_every_post_lies_in_one_bin():
    y, p = sample(5_000)

    table = reliability(y, np.append(p[:-2], [0.0, 1.0]), prevalence=0.01)

    assert sum(one.posts for one in table.bins) == 5_000
    assert sum(one.share for one in table.bins) == pytest.approx(1.0)
