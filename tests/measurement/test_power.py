"""How many labels a proof will need: against SciPy, and against the plain search for the first that do."""

import pytest
from scipy.stats import binom

from sievert.errors import InvalidField
from sievert.measurement.certificate import ReviewError
from sievert.measurement.power import MOST_LABELS, fewest_labels, labels_to_prove


def plainly(precision, true, delta, power):
    """Return the labels by trying each number of permitted mistakes in turn."""
    for allowed in range(400):
        labels = allowed + 1
        while binom.cdf(allowed, labels, 1 - precision) > delta:
            labels += 1
        if binom.cdf(allowed, labels, 1 - true) >= power:
            return labels
    return None


@pytest.mark.parametrize("true", [1.0, 0.995, 0.99, 0.98, 0.97])
@pytest.mark.parametrize("delta", [0.05, 0.025])
def test_the_number_is_the_first_that_does(true, delta):
    assert labels_to_prove(0.95, true=true, delta=delta) == plainly(0.95, true, delta, 0.8)


def test_published_orders_of_magnitude():
    """59 labels without a mistake; 130, 260, 630, 1,150, 2,720 for .99, .98, .97, .965, .96 (METHODS' figures)."""
    assert fewest_labels(0, precision=0.95, delta=0.05) == 59
    found = [labels_to_prove(0.95, true=true, delta=0.05) for true in (0.99, 0.98, 0.97, 0.965, 0.96)]
    assert found == pytest.approx([130, 260, 630, 1150, 2720], rel=0.12)


@pytest.mark.parametrize("true", [0.0, 0.9, 0.95, 0.9501])
def test_what_is_not_above_the_bound_is_not_proven_by_any_number(true):
    assert labels_to_prove(0.95, true=true, delta=0.05) is None


def test_more_power_and_less_error_cost_labels_and_so_do_reviewers_who_miss():
    plain = labels_to_prove(0.95, true=0.98, delta=0.05)
    assert labels_to_prove(0.95, true=0.98, delta=0.05, power=0.95) > plain
    assert labels_to_prove(0.95, true=0.98, delta=0.005) > plain
    missing = labels_to_prove(0.95, true=0.98, delta=0.05, review=ReviewError(miss_at_least=0.03))
    assert missing > plain
    generous = ReviewError(miss_at_least=0.0, false_at_most=0.2)
    assert labels_to_prove(0.95, true=0.98, delta=0.05, review=generous) > plain


def test_numbers_that_are_none_are_refused():
    for wrong in ({"true": 1.1}, {"delta": 0.0}, {"power": 1.0}):
        with pytest.raises(InvalidField):
            labels_to_prove(0.95, **{"true": 0.98, "delta": 0.05, **wrong})
    assert labels_to_prove(0.95, true=0.955, delta=0.05) < MOST_LABELS
