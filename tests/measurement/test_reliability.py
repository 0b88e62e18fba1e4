import numpy as np
import pytest
from scipy.stats import beta

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


def test_a_bin_without_a_harmless_post_may_have_missed_one():
    y = np.array([True] * 50 + [False] * 200)

    top = reliability(y, np.where(y, 0.99, 0.0005), prevalence=0.01).bins[-1]

    # No false alarm in 200: their rate may be 1.8 %, and then 36 % of such posts are harmful.
    rate = beta.ppf(0.975, 1, 200)
    assert top.observed == pytest.approx(1.0)
    assert top.observed_high == pytest.approx(1.0)
    assert 0.01 / (0.01 + 0.99 * rate) * 0.8 < top.observed_low < 0.01 / (0.01 + 0.99 * rate) * 1.05


def test_posts_of_double_weight_are_no_more_evidence():
    y, p = sample(5_000)

    once = reliability(y, p, prevalence=0.01)
    doubled = reliability(y, p, prevalence=0.01, weight=np.full(len(y), 2.0))

    assert [one.observed_low for one in doubled.bins] == pytest.approx(
        [one.observed_low for one in once.bins], rel=0.05
    )


def test_without_a_harmful_post_their_share_may_be_nought_or_the_prevalence():
    (only,) = reliability(np.zeros(50, bool), np.full(50, 0.2), prevalence=0.01).bins

    assert only.observed_low == 0.0
    assert only.observed_high == pytest.approx(0.01, rel=0.1)
