"""Calibration by group: the sums by hand, the noise by simulation."""

import numpy as np
import pytest

from sievert.errors import InvalidField
from sievert.measurement.group_calibration import group_calibration, worst_group


def test_by_hand():
    y = np.array([1, 0, 0, 1, 0, 0, 0, 0, 0, 0], bool)
    p = np.array([0.2, 0.1, 0.1, 0.3, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    groups = np.array([7, 7, 7, 7, 9, 9, 9, 9, 9, 9])
    first, second = group_calibration(y, p, groups, prevalence=0.2)
    assert (first.group, first.posts, first.harmful, first.share) == (7, 4, 2, pytest.approx(0.4))
    assert first.stated == pytest.approx(0.175)
    assert first.observed == pytest.approx(0.5)
    assert first.error == pytest.approx(0.325)
    # Sums over four posts: -0.1 - 0.1 + 0.8 + 0.7, of which ties are one step.
    assert first.ecce == pytest.approx((1.3 + 0.2) / 4)
    assert (second.group, second.error, second.ecce, second.noise) == (9, 0, 0, 0)
    assert worst_group((first, second)) is first


def test_errors_that_cancel_in_the_mean_are_seen():
    p = np.repeat([0.1, 0.3], 500)
    y = np.concatenate([np.arange(500) < 100, np.arange(500) < 100])
    (found,) = group_calibration(y, p, np.zeros(1000), prevalence=0.2)
    assert found.error == pytest.approx(0.0, abs=1e-12)
    assert found.ecce == pytest.approx(0.05)


@pytest.mark.parametrize("balanced", [False, True])
def test_the_noise_is_that_of_right_probabilities(balanced):
    """Also where each class was sampled at its own rate. Red when the variance was that of equal weights."""
    rng = np.random.default_rng(5)
    gaps, ranges, noises, range_noises = [], [], [], []
    prevalence = 0.05
    for _ in range(400):
        y = rng.random(4000) < (0.5 if balanced else prevalence)
        z = 3 * (rng.normal(3.0 * y, 1.0) - 1.5) + np.log(prevalence / (1 - prevalence))
        share = prevalence if balanced else float(y.mean())
        (found,) = group_calibration(y, 1 / (1 + np.exp(-z)), np.zeros(4000), prevalence=share)
        gaps.append(found.stated - found.observed)
        ranges.append(found.ecce)
        noises.append(found.noise)
        range_noises.append(found.ecce_noise)
    assert np.std(gaps) == pytest.approx(np.mean(noises), rel=0.15)
    assert np.mean(ranges) == pytest.approx(np.mean(range_noises), rel=0.15)


def test_weights_are_posts():
    rng = np.random.default_rng(6)
    y, p = rng.random(300) < 0.1, rng.random(300)
    counts = rng.integers(0, 3, 300)
    groups = rng.integers(0, 2, 300)
    weighted = group_calibration(y, p, groups, prevalence=0.1, weight=counts.astype(float))
    repeated = group_calibration(
        np.repeat(y, counts), np.repeat(p, counts), np.repeat(groups, counts), prevalence=0.1
    )
    for one, other in zip(weighted, repeated, strict=True):
        assert one.error == pytest.approx(other.error)
        assert one.ecce == pytest.approx(other.ecce)


def test_a_balanced_prevalence_is_refused():
    with pytest.raises(InvalidField, match="natural traffic"):
        group_calibration(np.ones(2, bool), np.ones(2), np.zeros(2), prevalence=0.5)
