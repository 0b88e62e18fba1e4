"""Do intervals of totals and shares hold the truth, and do they need the weights (mistake 10)?

`python tests/simulated_audits.py --write` audits every frame 10,000 times; the marked test does it anew, the
others read what is checked in.
"""

import json

import pytest
from scipy.stats import binom

from simulated_audits import AUDITS, REPLICATES, RESULTS, WEIGHTS_DIFFER, coverage

LEAST = 0.94
TOO_NARROW = "harmful_views"
"""Student's t on harm that is rare and viral: kept to show why a total takes a ceiling."""


def bounded(one):
    return one["audit"] != TOO_NARROW


def unbiased(one):
    """Totals are without bias; what divides by a total is off by less than a fiftieth."""
    return abs(one["bias_in_standard_errors"]) < 4 or abs(one["relative_bias"]) < 0.02


@pytest.fixture(scope="module")
def stored():
    return json.loads(RESULTS.read_text())


@pytest.mark.statistical
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", AUDITS)
def test_intervals_hold_the_truth_anew(name):
    """Red when every draw counted alike (pitfall 10)."""
    one = coverage(name)
    assert unbiased(one)
    if bounded(one):
        assert one["held"] >= LEAST * one["replicates"]


def test_the_stored_results_are_of_every_audit(stored):
    assert [one["audit"] for one in stored] == list(AUDITS)
    assert {one["replicates"] for one in stored} == {REPLICATES}
    assert REPLICATES >= 10_000


def test_in_the_stored_results_intervals_hold_the_truth(stored):
    for one in filter(bounded, stored):
        assert one["held"] >= LEAST * one["replicates"], one


def test_in_the_stored_results_there_is_no_bias(stored):
    for one in stored:
        assert unbiased(one), one
        if one["audit"] in {"right_removals", "rare_posts", "harmful_views", "harmful_views_under_a_ceiling"}:
            assert abs(one["bias_in_standard_errors"]) < 4, one


def test_pitfall_10_in_the_stored_results_forgotten_weights_miss_it(stored):
    missed = [one for one in stored if one["held_without_weights"] < 0.5 * one["replicates"]]
    assert {one["audit"] for one in missed} <= set(WEIGHTS_DIFFER)
    assert len(missed) >= 5


def test_in_the_stored_results_a_ceiling_mends_what_t_misses(stored):
    held = {one["audit"]: one["held"] / one["replicates"] for one in stored}
    assert binom.cdf(round(held[TOO_NARROW] * REPLICATES), REPLICATES, LEAST) < 1e-6
    assert held["harmful_views_under_a_ceiling"] > held[TOO_NARROW]


@pytest.mark.parametrize("name", AUDITS)
def test_a_few_audits_anew_are_as_those_that_are_stored(name, stored):
    """The checked-in results are of this code: the same keys give the same draws."""
    few = coverage(name, 100)
    whole = next(one for one in stored if one["audit"] == name)
    assert few["true"] == pytest.approx(whole["true"])
    assert few["draws"] == whole["draws"]
    assert few["held"] >= binom.ppf(1e-4, 100, whole["held"] / whole["replicates"])
