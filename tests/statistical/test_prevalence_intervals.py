"""Do intervals of prevalence and precision hold the truth, and how many labels do they save?

`python benchmarks/prevalence.py --repetitions 10000 --write` audits each world 10,000 times; the marked test does it
anew, the others read what is checked in.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
LEAST = 0.94


@pytest.fixture(scope="module")
def stored():
    return json.loads((BENCHMARKS / "results" / "prevalence.json").read_text())


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import prevalence

    yield prevalence
    del sys.modules["prevalence"]


def right(found):
    """What is promised to hold: everything but errors that nobody corrected."""
    return {name: one for name, one in found.items() if "not corrected" not in name}


@pytest.mark.statistical
@pytest.mark.timeout(3600)
def test_intervals_hold_the_truth_anew(benchmark):
    """Red when a stratum in which nothing was found was taken to hold nothing."""
    rng = np.random.default_rng(77)
    for part in (benchmark.prevalence_held(2000, rng), benchmark.precision_held(2000, rng)):
        for name, one in right(part).items():
            assert one["held"] >= binom.ppf(1e-4, 2000, LEAST) / 2000, name


@pytest.mark.parametrize("part", ["prevalence", "precision"])
def test_in_the_stored_audits_intervals_hold_the_truth(stored, part):
    assert stored["repetitions"] >= 10_000
    assert len(right(stored[part])) >= 4
    for name, one in right(stored[part]).items():
        assert one["held"] >= LEAST, name
        assert abs(one["bias"]) < 0.02, name


def test_in_the_stored_audits_erring_judges_mislead_unless_they_are_corrected(stored):
    for name, one in stored["prevalence"].items():
        if "not corrected" in name:
            assert one["held"] < 0.9
            assert one["bias"] > 0.1


def test_in_the_stored_audits_one_interval_for_all_misses_hidden_harm(stored):
    assert stored["one_interval"]["d' 3, 30% hidden"]["held"] < 0.92


def test_in_the_stored_worlds_labels_are_saved_where_the_model_separates(stored):
    saved = {
        (one["separation"], one["hidden"], one["half_width"]): one["times_fewer"] for one in stored["labels"]
    }
    assert saved[3.0, 0.0, 0.1] >= 4
    assert saved[3.0, 0.3, 0.1] > 1.5
    assert saved[4.0, 0.0, 0.1] > saved[3.0, 0.0, 0.1] > saved[2.5, 0.0, 0.1]


def test_a_few_audits_anew_are_as_those_that_are_stored(benchmark, stored):
    found = benchmark.precision_held(100, np.random.default_rng(5))
    for name, one in found.items():
        assert one["true"] == stored["precision"][name]["true"]
        assert one["held"] >= binom.ppf(1e-4, 100, stored["precision"][name]["held"]) / 100
