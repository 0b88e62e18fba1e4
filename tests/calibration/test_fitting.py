"""Pitfall 6: what balanced calibration promises, traffic does not keep."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sievert.calibration.fitting import fit_logit_map, prior_correction
from sievert.calibration.logit_map import LogitMap

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
    with pytest.raises(ValueError, match="both kinds"):
        fit_logit_map(np.zeros(5), np.ones(5, bool), prevalence=0.01)
