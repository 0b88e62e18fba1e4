"""Do intervals of 95 % hold the truth, at the sizes of the model card?

`python tests/simulated_scores.py --write` draws them all; this draws them anew, and reads what is checked in:
so far the sizes with the fewest posts.
"""

import json

import pytest
from scipy.stats import binom

from simulated_scores import MODELS, NUMBERS, RESULTS, SIZES, coverage

PROMISED = 0.95
LEAST = 0.92


def failures(one, *, least=LEAST):
    """Return the numbers whose intervals held the truth so rarely that `least` would be a fluke."""
    return [name for name in NUMBERS if one[name][1] and one[name][0] < binom.ppf(0.001, one[name][1], least)]


@pytest.fixture(scope="module")
def stored():
    return json.loads(RESULTS.read_text())


@pytest.mark.statistical
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("model", MODELS)
def test_intervals_hold_the_truth_about_as_often_as_they_say(model, size):
    assert not failures(coverage(model, *size, samples=SIZES[size]))


def test_the_stored_results_are_of_every_model(stored):
    sizes = {(one["harmful"], one["harmless"]) for one in stored}
    assert sizes <= set(SIZES)
    assert len(sizes) >= 3
    assert {(one["model"], one["harmful"], one["harmless"]) for one in stored} == {
        (model, *size) for model in MODELS for size in sizes
    }


def test_in_the_stored_results_they_do(stored):
    for one in stored:
        assert not failures(one), one
    for name in NUMBERS:
        inside, tried = (sum(one[name][i] for one in stored) for i in (0, 1))
        assert inside >= PROMISED * tried, name


def test_in_the_stored_results_the_plain_bootstrap_does_not(stored):
    scarce = [one for one in stored if one["harmless"] < 700]
    assert len(scarce) >= 3 * len(MODELS)
    for name in ("pr_auc", "recall", "precision"):
        inside, tried = (sum(one["plain"][name][i] for one in scarce) for i in (0, 1))
        assert inside < 0.85 * tried, name
