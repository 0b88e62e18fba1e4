"""Is a candidate that acts rarely called what it is not, and stopped where it is worse?

`python benchmarks/acting.py --repetitions 40 --write` runs the experiments; the marked test runs others, the rest
read what is checked in.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
DELTA = 0.05


@pytest.fixture(scope="module")
def stored():
    return json.loads((BENCHMARKS / "results" / "acting.json").read_text())


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import acting

    yield acting
    del sys.modules["acting"]


@pytest.mark.statistical
@pytest.mark.timeout(3600)
def test_of_equal_bundles_nothing_is_claimed_in_other_worlds(benchmark):
    """Red when each look had the bounds of the only one."""
    found = benchmark.equals(300, np.random.default_rng(9))
    for name in ("better or worse", "guard", "too imprecise"):
        assert found[name] <= binom.ppf(1 - 1e-4, 300, DELTA) / 300, name


def test_in_the_stored_experiments_answers_are_right(stored):
    answers, repetitions = stored["answers"], stored["repetitions"]
    assert repetitions >= 40
    assert answers["much better"]["better"] >= 0.8
    assert answers["worse"]["worse"] >= 0.8
    assert answers["bold"]["undecided"] == answers["bold"]["better"] == 0
    for name, one in answers.items():
        assert one["false"] <= binom.ppf(1 - 1e-3, repetitions, DELTA) / repetitions, name


def test_pitfall_12_in_the_stored_experiments_equals_are_rarely_told_apart(stored):
    claims = stored["claims_of_equals"]
    for name in ("better or worse", "guard", "too imprecise"):
        assert claims[name] <= DELTA, name
    assert claims["better or worse, by one look"] > claims["better or worse"]


def test_a_worse_candidate_is_stopped_anew(benchmark):
    """One experiment, small, as those that are stored."""
    rng = np.random.default_rng(3)
    world = benchmark.World(rng, 1.5, 0.0, creators=3000)
    answer, _, known = benchmark.experiment(world, rng)
    assert answer == "worse", known
