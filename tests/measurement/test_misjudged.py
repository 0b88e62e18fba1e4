"""Shares that erring judges saw, corrected: against the law itself, at its edges, and how wide that makes them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sievert.errors import InvalidField
from sievert.measurement.harmful_views import seen_share
from sievert.measurement.misjudged import Judged, corrected
from sievert.measurement.totals import Estimate

SEEN = Estimate(value=0.05, low=0.03, high=0.08, draws=400)


@given(
    true=st.floats(0.0, 1.0),
    missed=st.integers(0, 400),
    accused=st.integers(0, 400),
)
def test_what_judges_see_of_a_share_leads_back_to_it(true, missed, accused):
    """Red when the misses were divided out and the accusations left."""
    m, a = missed / 1000, accused / 1000
    seen = true * (1 - m) + (1 - true) * a
    found = corrected(
        Estimate(value=seen, low=seen, high=seen, draws=1),
        missed=Judged(asked=1000, wrong=missed),
        accused=Judged(asked=1000, wrong=accused),
    )
    assert found.value == pytest.approx(true, abs=1e-9)
    assert found.low <= found.value <= found.high


def test_judges_who_do_not_err_change_nothing():
    assert corrected(SEEN, missed=Judged.of_nothing(), accused=Judged.of_nothing()) == SEEN


def test_what_is_not_known_of_judges_widens_the_interval():
    sure, unsure = (
        corrected(SEEN, missed=Judged(asked=n, wrong=n // 10), accused=Judged(asked=n, wrong=n // 100))
        for n in (100_000, 200)
    )
    assert unsure.low < sure.low
    assert unsure.high > sure.high


def test_a_share_below_the_accusations_is_none_and_not_negative():
    found = corrected(
        Estimate(value=0.01, low=0.005, high=0.02, draws=100),
        missed=Judged(asked=100, wrong=10),
        accused=Judged(asked=100, wrong=3),
    )
    assert (found.value, found.low) == (0.0, 0.0)
    assert found.high > 0


def test_judges_who_tell_nothing_are_refused():
    with pytest.raises(InvalidField):
        corrected(SEEN, missed=Judged(asked=10, wrong=5), accused=Judged(asked=10, wrong=4))
    with pytest.raises(InvalidField):
        Judged(asked=3, wrong=4)


@pytest.mark.parametrize("true", [0.005, 0.05, 0.97])
def test_intervals_hold_the_truth_though_errors_are_known_from_few_answers(true):
    """Red when errors were taken as known exactly: then at 5 % it held 75 % of the time."""
    rng = np.random.default_rng(7)
    missed, accused, draws, asked, held = 0.1, 0.01, 4000, 300, 0
    for _ in range(400):
        found = int(rng.binomial(draws, true * (1 - missed) + (1 - true) * accused))
        one = corrected(
            seen_share([found], [draws], [1.0]),
            missed=Judged(asked=asked, wrong=int(rng.binomial(asked, missed))),
            accused=Judged(asked=asked, wrong=int(rng.binomial(asked, accused))),
        )
        held += one.low <= true <= one.high
    assert held >= 0.93 * 400
