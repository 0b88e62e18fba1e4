"""What every map of the room refuses, and how labelled posts are weighed as in traffic."""

import numpy as np
import pytest

from sievert.calibration.beta import fit_beta
from sievert.calibration.fitting import fit_logit_map, fit_temperature
from sievert.calibration.isotonic import fit_isotonic
from sievert.calibration.sample import weighed
from sievert.calibration.venn_abers import fit_venn_abers
from sievert.errors import InvalidField

FITS = [fit_logit_map, fit_temperature, fit_beta, fit_isotonic, fit_venn_abers]
Y = np.arange(100) % 2 == 0
Z = np.linspace(-2, 2, 100) + 0.5 * Y


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize(
    ("given", "field", "match"),
    [
        ((Z, np.ones(100, bool), None, None), "y", "both kinds"),
        ((np.where(Y, Z, np.nan), Y, None, None), "z", "50 numbers of z are missing"),
        ((np.where(Y, Z, np.inf), Y, None, None), "z", "not finite"),
        ((Z, Y, np.full(100, -1.0), None), "weight", "negative"),
        ((Z, Y, np.full(100, np.nan), None), "weight", "missing"),
        ((Z, Y, np.ones(99), None), "weight", "one number a post"),
        ((Z, Y, Y.astype(float), None), "y", "0 harmless ones have a weight"),
        ((Z, np.full(100, 2), None, None), "y", "one yes or no a score"),
        ((Z, Y[:50], None, None), "y", "one yes or no a score"),
        ((Z, Y, None, 0.0), "prevalence", "no share"),
        ((Z, Y, None, 1.0), "prevalence", "no share"),
        ((Z.reshape(10, 10), Y, None, None), "z", "one number a post"),
        ((np.zeros(0), np.zeros(0, bool), None, None), "z", "one number a post"),
    ],
)
def test_what_cannot_be_fitted_is_refused_with_its_remedy(fit, given, field, match):
    z, y, weight, prevalence = given
    with pytest.raises(InvalidField, match=match) as refused:
        fit(z, y, weight, prevalence=prevalence)
    assert refused.value.field == field
    assert refused.value.remedy


@pytest.mark.parametrize("fit", [fit_temperature, fit_beta, fit_isotonic, fit_venn_abers])
def test_one_score_for_all_says_nothing(fit):
    with pytest.raises(InvalidField, match="same score"):
        fit(np.ones(100), Y)


@pytest.mark.parametrize(("fit", "harmful"), [(fit_beta, 2), (fit_isotonic, 19)])
def test_a_map_says_how_many_labels_it_needs(fit, harmful):
    with pytest.raises(InvalidField, match=f"at least {harmful + 1} of each; {harmful} harmful"):
        fit(Z, np.arange(100) < harmful)


@pytest.mark.parametrize("fit", [fit_temperature, fit_beta])
def test_scores_that_fall_with_harm_are_refused(fit):
    with pytest.raises(InvalidField, match="not more often harmful"):
        fit(np.where(Y, -1.0, 1.0) + 0.6 * Z, Y, unseen=False)


def test_classes_are_weighed_to_the_prevalence_and_the_unseen_post_takes_no_more():
    weight = np.arange(1.0, 101.0)
    sample = weighed(Z, Y, weight, prevalence=0.008, unseen=True)
    assert sample.weight[sample.y].sum() == pytest.approx(0.008)
    assert sample.weight[~sample.y].sum() == pytest.approx(0.992)
    assert len(sample.z) == 101
    assert sample.z[-1] == Z[Y].max()
    assert not sample.y[-1]
    assert sample.weight[-1] == pytest.approx(0.992 / 51)


def test_without_a_prevalence_the_weights_tell_it():
    assert weighed(Z, Y, np.where(Y, 1.0, 124.0)).prevalence == pytest.approx(0.008)
