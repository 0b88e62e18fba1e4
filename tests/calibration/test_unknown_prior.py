"""The prevalence from scores alone, against EM, and where it refuses."""

import numpy as np
import pytest

from sievert.calibration.fitting import fit_logit_map
from sievert.calibration.unknown_prior import estimate_prevalence
from sievert.errors import InvalidField


def scores(seed, size, prevalence, *, separation=3.0):
    rng = np.random.default_rng(seed)
    y = rng.random(size) < prevalence
    return separation * (rng.normal(separation * y, 1.0) - separation / 2), y


def em(logits, was, steps):
    odds = np.exp(logits)
    share = was
    for _ in range(steps):
        posterior = odds * share / was / (odds * share / was + (1 - share) / (1 - was))
        share = posterior.mean()
    return share


@pytest.mark.parametrize(("was", "prevalence"), [(0.5, 0.05), (0.3, 0.02)])
def test_it_is_where_em_ends(was, prevalence):
    z, _ = scores(1, 50_000, prevalence)
    logits = z + np.log(was / (1 - was))
    assert estimate_prevalence(logits, was=was).share == pytest.approx(em(logits, was, 3000), rel=1e-6)


def test_weights_are_posts():
    z, _ = scores(2, 20_000, 0.05)
    counts = np.random.default_rng(2).integers(0, 3, len(z))
    told = estimate_prevalence(z, was=0.5, weight=counts).share
    assert told == pytest.approx(estimate_prevalence(np.repeat(z, counts), was=0.5).share, rel=1e-9)


def test_its_interval_holds_the_truth_about_as_often_as_it_says():
    held = 0
    for seed in range(200):
        z, _ = scores(seed, 20_000, 0.02)
        found = estimate_prevalence(z, was=0.5)
        held += found.low < 0.02 < found.high
    assert 181 <= held <= 199


def test_with_labelled_posts_the_interval_counts_their_noise():
    z, _ = scores(3, 200_000, 0.008)
    labelled = scores(4, 20_000, 0.5)
    alone = estimate_prevalence(z, was=0.5)
    both = estimate_prevalence(z, was=0.5, labelled=labelled)
    assert both.share == alone.share
    assert both.high - both.low > alone.high - alone.low


@pytest.mark.parametrize("stretch", [0.8, 1.3])
def test_logits_that_are_off_are_refused_and_calibrated_ones_are_not(stretch):
    traffic, _ = scores(5, 200_000, 0.008)
    z, y = scores(6, 40_000, 0.5)
    with pytest.raises(InvalidField, match="labelled posts the logits are not right"):
        estimate_prevalence(stretch * traffic, was=0.5, labelled=(stretch * z, y))
    fitted = fit_logit_map(stretch * z, y, prevalence=0.5)
    found = estimate_prevalence(
        fitted.logits(stretch * traffic), was=0.5, labelled=(fitted.logits(stretch * z), y)
    )
    assert found.share == pytest.approx(0.008, rel=0.2)


@pytest.mark.parametrize(
    ("logits", "match"),
    [
        (scores(7, 500, 0.008)[0], "that is no answer"),
        (scores(8, 20_000, 0.05, separation=0.5)[0], "that is no answer"),
        (np.full(100, -3.0), "as if no post"),
        (np.full(100, 3.0), "as if every post"),
        (np.array([0.0, np.nan]), "finite"),
        (np.zeros(0), "finite"),
    ],
)
def test_where_it_cannot_work_it_refuses(logits, match):
    with pytest.raises(InvalidField, match=match) as refused:
        estimate_prevalence(logits, was=0.5)
    assert refused.value.remedy


def test_wrong_arguments_are_refused():
    z, _ = scores(1, 1000, 0.1)
    with pytest.raises(InvalidField, match="right at"):
        estimate_prevalence(z, was=1.0)
    with pytest.raises(InvalidField, match="weights"):
        estimate_prevalence(z, was=0.5, weight=-np.ones(1000))
    with pytest.raises(InvalidField, match="at least 20"):
        estimate_prevalence(z, was=0.5, labelled=(np.zeros(30), np.arange(30) < 19))
