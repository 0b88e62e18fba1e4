"""Is a proven threshold right as often as it says, though it was chosen on the same labels (mistake 7)?

`python tests/simulated_thresholds.py --write` draws 1,000 samples of every world; the marked test does it
anew, the others read what is checked in.
"""

import json

import pytest
from scipy.stats import binom

from simulated_thresholds import CONFIDENCE, METHODS, REPLICATES, RESULTS, WORLDS, claims

FALSE = 1 - CONFIDENCE


def too_often(one, method):
    """Tell whether so many false claims would be a fluke at the permitted rate."""
    return one[method]["false"] > binom.ppf(0.999, one["replicates"], FALSE)


@pytest.fixture(scope="module")
def stored():
    return json.loads(RESULTS.read_text())


@pytest.mark.statistical
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", WORLDS)
def test_a_proven_threshold_keeps_its_precision_anew(name):
    assert not too_often(claims(name), "answer")


def test_the_stored_results_are_of_every_world(stored):
    assert [one["world"] for one in stored] == list(WORLDS)
    assert {one["replicates"] for one in stored} == {REPLICATES}
    assert REPLICATES >= 1000


def test_pitfall_7_in_the_stored_results_a_false_claim_is_as_rare_as_it_says(stored):
    for one in stored:
        for method in ("answer", "split"):
            assert one[method]["false"] <= FALSE * one["replicates"], (method, one)


def test_in_the_stored_results_the_precision_that_looked_right_breaks_it(stored):
    wrong = [
        one["observed"]["false"] / one["replicates"] for one in stored if not one["world"].startswith("good")
    ]
    assert min(wrong) > 0.25
    lucky = next(one for one in stored if one["world"] == "flat, plain")
    assert too_often(lucky, "luckiest")


def test_in_the_stored_results_a_fixed_sequence_finds_more_than_two_halves(stored):
    finds = [one for one in stored if not one["world"].startswith("flat")]
    whole, halves = (sum(one[method]["recall"] for one in finds) for method in ("answer", "split"))
    assert whole > 1.2 * halves


@pytest.mark.parametrize("name", [name for name in WORLDS if "plain" in name])
def test_a_few_samples_anew_are_as_those_that_are_stored(name, stored):
    """The checked-in results are of this code: the same seeds give the same claims."""
    few = claims(name, 20)
    whole = next(one for one in stored if one["world"] == name)
    for method in METHODS:
        share = whole[method]["claims"] / whole["replicates"]
        assert binom.ppf(1e-4, 20, share) <= few[method]["claims"] <= binom.ppf(1 - 1e-4, 20, share)
