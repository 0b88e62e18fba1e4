"""Pitfall 6: what balanced calibration promises, traffic does not keep."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression

from sievert.calibration.fitting import (
    fit_evidence_map,
    fit_logit_map,
    fit_temperature,
    prior_correction,
)
from sievert.calibration.logit_map import LogitMap
from sievert.calibration.sample import weighed
from sievert.errors import InvalidField

PREVALENCE = 0.01


def logits(count, *, harmful_share, seed, distance=3.0):
    rng = np.random.default_rng(seed)
    y = rng.random(count) < harmful_share
    return rng.normal(distance * y, 1.0), y


def precision_where(probability, y, *, at_least):
    chosen = probability >= at_least
    assert chosen.sum() >= 20
    return y[chosen].mean()


def test_at_95_percent_the_precision_on_traffic_is_at_least_95_percent():
    fitted = fit_logit_map(*logits(40_000, harmful_share=0.5, seed=1), prevalence=PREVALENCE)
    z, y = logits(2_000_000, harmful_share=PREVALENCE, seed=2)

    assert precision_where(fitted.apply(z), y, at_least=0.95) >= 0.95


def test_balanced_calibration_is_wrong_about_half_of_what_it_is_sure_of():
    """The mistake, planted: perfect on balanced data, fitted as if traffic were balanced."""
    z, y = logits(40_000, harmful_share=0.5, seed=1)
    balanced = fit_logit_map(z, y, prevalence=0.5)
    assert precision_where(balanced.apply(z), y, at_least=0.95) >= 0.95

    traffic, truth = logits(2_000_000, harmful_share=PREVALENCE, seed=2)

    assert precision_where(balanced.apply(traffic), truth, at_least=0.95) < 0.6


def test_the_mean_probability_on_traffic_is_the_prevalence():
    fitted = fit_logit_map(*logits(40_000, harmful_share=0.4, seed=3), prevalence=PREVALENCE, pieces=3)
    z, _ = logits(1_000_000, harmful_share=PREVALENCE, seed=4)

    assert fitted.apply(z).mean() == pytest.approx(PREVALENCE, rel=0.1)


def test_correcting_the_prior_of_a_right_logit_equals_fitting_anew():
    z, y = logits(400_000, harmful_share=0.5, seed=5)
    balanced = fit_logit_map(z, y, prevalence=0.5)

    corrected = balanced.logits(z) + prior_correction(to=PREVALENCE, was=0.5)

    fitted = fit_logit_map(z, y, prevalence=PREVALENCE)
    assert np.abs(corrected - fitted.logits(z)).mean() < 0.15


def test_knots_bend_the_map_where_the_truth_bends():
    rng = np.random.default_rng(6)
    z = rng.normal(0.0, 2.0, 200_000)
    truth = np.where(z > 0, 0.4 * z, 2.0 * z) - 1.0
    y = rng.random(len(z)) < 1 / (1 + np.exp(-truth))

    straight = fit_logit_map(z, y, prevalence=float(y.mean()))
    bent = fit_logit_map(z, y, prevalence=float(y.mean()), pieces=4)

    assert np.abs(bent.logits(z) - truth).mean() < 0.5 * np.abs(straight.logits(z) - truth).mean()


@given(
    st.integers(0, 10_000),
    st.integers(1, 5),
    st.floats(0.001, 0.2),
    st.sampled_from([0.0, 1e-3, 1.0, 1e3]),
)
def test_a_fitted_map_never_changes_the_order(seed, pieces, prevalence, spread):
    rng = np.random.default_rng(seed)
    z = rng.normal(0.0, 1.0, 40) * spread
    y = rng.random(40) < 0.5
    y[0], y[1] = True, False

    fitted = fit_logit_map(z, y, prevalence=prevalence, pieces=pieces)

    assert isinstance(fitted, LogitMap)
    assert np.all(np.diff(fitted.logits(np.linspace(-5, 5, 101))) > 0)


def test_one_kind_of_post_alone_cannot_calibrate():
    with pytest.raises(InvalidField, match="both kinds"):
        fit_logit_map(np.zeros(5), np.ones(5, bool), prevalence=0.01)


@pytest.mark.parametrize(("separation", "precision"), [(2.5, 0.36), (3.0, 0.46), (3.5, 0.58), (4.0, 0.70)])
def test_pitfall_6_a_cut_at_95_percent_of_balanced_data_is_wrong_about_traffic(separation, precision):
    """Red when the prior is not corrected."""
    z, y = logits(100_000, harmful_share=0.5, seed=7, distance=separation)
    balanced = fit_logit_map(z, y, prevalence=0.5)

    assert expected_precision(balanced, separation) == pytest.approx(precision, abs=0.02)

    corrected = balanced.shifted(prior_correction(to=0.008, was=0.5))
    assert 0.975 <= expected_precision(corrected, separation) <= 0.993
    fitted = fit_logit_map(z, y, prevalence=0.008)
    assert 0.975 <= expected_precision(fitted, separation) <= 0.995


def expected_precision(calibrator, separation):
    """The precision on traffic of removing from a stated 0.95 on, exactly, at 0.8 % harm."""
    grid = np.linspace(-10, 20, 300_001)
    cut = grid[np.argmax(calibrator.apply(grid) >= 0.95)]
    harmful, harmless = 0.008 * norm.sf(cut - separation), 0.992 * norm.sf(cut)
    return harmful / (harmful + harmless)


@given(st.integers(0, 10_000), st.floats(0.3, 3.0), st.booleans())
def test_no_other_temperature_is_better(seed, stretch, unseen):
    z, y = logits(500, harmful_share=0.5, seed=seed, distance=1.5)
    z = stretch * 1.5 * (z - 0.75)
    weight = np.random.default_rng(seed).uniform(0.5, 2.0, 500)
    fitted = fit_temperature(z, y, weight, prevalence=0.02, was=0.5, unseen=unseen)

    sample = weighed(z, y, weight, prevalence=0.02, unseen=unseen)

    def loss(by):
        logit = by * sample.z + np.log(0.02 / 0.98)
        return sample.weight @ (np.logaddexp(0, logit) - sample.y * logit)

    best = minimize_scalar(loss, bounds=(0.02, 20), method="bounded", options={"xatol": 1e-9})
    found = float(np.diff(fitted.logits([0.0, 1.0]))[0])
    assert found == pytest.approx(best.x, rel=1e-4)
    assert fitted.logits([0.0])[0] == pytest.approx(np.log(0.02 / 0.98))


def test_a_temperature_is_found_again():
    z, y = logits(200_000, harmful_share=0.5, seed=9)
    fitted = fit_temperature(2.5 * 3 * (z - 1.5), y, prevalence=PREVALENCE, was=0.5)
    assert 1 / np.diff(fitted.logits([0.0, 1.0]))[0] == pytest.approx(2.5, rel=0.1)


@pytest.mark.parametrize("was", [0.0, 1.0, -1.0])
def test_a_share_that_is_none_is_refused(was):
    z, y = logits(100, harmful_share=0.5, seed=10)
    with pytest.raises(InvalidField, match="learned at"):
        fit_temperature(z, y, was=was)


def test_platts_map_is_scikit_learns_regression():
    z, y = logits(3000, harmful_share=0.3, seed=11, distance=1.5)
    weight = np.random.default_rng(11).uniform(0.5, 2.0, 3000)
    sample = weighed(z, y, weight, prevalence=0.1, unseen=True)
    theirs = LogisticRegression(C=np.inf, tol=1e-12, max_iter=10_000).fit(
        sample.z[:, None], sample.y, sample_weight=sample.weight
    )
    asked = np.linspace(-4, 6, 50)
    found = fit_logit_map(z, y, weight, prevalence=0.1)
    np.testing.assert_allclose(found.logits(asked), theirs.decision_function(asked[:, None]), atol=1e-4)


def test_evidence_counts_for_what_it_adds_to_what_is_known_beside():
    rng = np.random.default_rng(12)
    y = rng.random(200_000) < 0.2
    text = rng.normal(1.5 * y, 1.0)  # its logit is 1.5 text - 1.125 above the prior's
    behaviour = rng.normal(1.0 * y, 1.0)  # 1.0 behaviour - 0.5 is what it adds
    says = 2.0 * behaviour + 3.0
    beside = 1.5 * text - 1.125 + np.log(0.2 / 0.8)
    found = fit_evidence_map(says, y, np.ones(len(y)), beside=beside)
    np.testing.assert_allclose(found.logits([3.0, 5.0]), [-0.5, 0.5], atol=0.05)
    alone = fit_logit_map(says, y, prevalence=0.2).shifted(-np.log(0.2 / 0.8))
    np.testing.assert_allclose(alone.logits([3.0, 5.0]), [-0.5, 0.5], atol=0.05)

    # What is said twice is counted once.
    echo = text + rng.normal(0, 0.1, len(y))
    assert np.diff(fit_evidence_map(echo, y, np.ones(len(y)), beside=beside).logits([0.0, 1.0]))[0] < 0.3
