"""Is a better candidate found better, a worse one refused, an equal one left alone, however often somebody looks?

`python benchmarks/experiments.py --repetitions 300 --write` runs the experiments; the marked test runs others, the rest
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
    return json.loads((BENCHMARKS / "results" / "experiments.json").read_text())


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import experiments

    yield experiments
    del sys.modules["experiments"]


@pytest.mark.statistical
@pytest.mark.timeout(3600)
def test_answers_are_rarely_false_in_other_worlds(benchmark):
    """Red when an answer was read off the draws without bounds."""
    for name, one in benchmark.answered(100, np.random.default_rng(9)).items():
        assert one["false"] <= binom.ppf(1 - 1e-4, 100, DELTA) / 100, name


def test_in_the_stored_experiments_answers_are_right(stored):
    answers = stored["answers"]
    assert stored["repetitions"] >= 300
    assert answers["better"]["better"] >= 0.95
    assert answers["slightly better"]["better"] >= 0.8
    assert answers["worse"]["better"] == answers["bold"]["better"] == 0
    assert answers["worse"]["worse"] >= 0.95
    assert answers["bold"]["too imprecise"] >= 0.95
    assert answers["equal"]["better"] <= DELTA
    for name, one in answers.items():
        assert one["false"] <= DELTA, name


def test_pitfall_12_in_the_stored_experiments_peeking_claims_no_more_than_delta(stored):
    assert stored["false_when_peeking"]["ours"] <= DELTA
    assert stored["false_when_peeking"]["t_peeking"] > 4 * DELTA
    assert stored["false_of_arms"] <= DELTA


def test_in_the_stored_experiments_drawing_from_the_union_has_more_variance(stored):
    assert min(stored["variance_of_union"].values()) > 1
    assert stored["variance_of_union"]["better, alike 0.9"] >= 2


def test_a_few_experiments_anew_are_as_those_that_are_stored(benchmark):
    rng = np.random.default_rng(3)
    world = benchmark.World(rng, *benchmark.CANDIDATES["better"])
    answer, draws = benchmark.experiment(world, rng)
    assert answer == "better"
    assert not benchmark.is_false(answer, world)
    assert draws < benchmark.DRAWS
