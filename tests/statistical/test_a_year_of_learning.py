"""Mistake 14: learning from one's own removals. Naively it decays; by labels that are drawn by chance it does not.

`python benchmarks/loop.py --seeds 10 --write` and `python benchmarks/gates.py --repetitions 200 --write` measure; the
marked test lives half a year of another seed, in 133 seconds on a machine of two cores with others at work; the rest
read what is checked in.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from sievert.scoring.bundle import default_bundle_path, load_bundle

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def stored(name):
    return json.loads((BENCHMARKS / "results" / f"{name}.json").read_text())


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import loop

    yield loop
    del sys.modules["loop"]


def test_in_the_stored_year_naive_learning_decays_and_the_loop_stays_nearer_the_oracle():
    found = stored("loop")
    better = np.array(
        [
            np.mean([month["recall"]["loop"] for month in found["worlds"][f"{seed} loop"]])
            - np.mean([month["recall"]["naive"] for month in found["worlds"][f"{seed} naive"]])
            for seed in found["seeds"]
        ]
    )
    assert better.mean() > 2 * better.std(ddof=1) / len(better) ** 0.5 > 0
    assert found["below_oracle"]["loop"][0] < found["below_oracle"]["naive"][0]
    assert found["below_oracle_second_half"]["loop"][0] < found["below_oracle_second_half"]["naive"][0]


def test_in_the_stored_worlds_gates_let_the_better_through_refuse_the_worse_and_leave_the_equal_alone():
    lines = {(one["judged"], one["candidate"]): one["weighed"] for one in stored("gates")["lines"]}
    for judged in {judged for judged, _ in lines}:
        assert lines[judged, "better"]["try"] > 0.75
        assert lines[judged, "worse"]["try"] == 0.0
        assert lines[judged, "worse"]["refuse"] > 0.75
        assert lines[judged, "equal"]["try"] <= 0.1
        assert lines[judged, "equal"]["keep"] >= 0.8


def test_the_line_of_a_ranking_is_the_lowest_that_keeps_the_guardrail(benchmark):
    harmful = np.array([True] * 19 + [False, True, False])
    by_views, by_posts = benchmark.recall_at_guardrail(np.arange(22.0)[::-1], harmful, np.arange(1.0, 23.0))
    assert by_posts == 1.0
    assert by_views == 1.0
    assert benchmark.recall_at_guardrail(np.arange(22.0), harmful, np.ones(22)) == (0.0, 0.0)


@pytest.mark.statistical
def test_half_a_year_of_another_seed(benchmark, monkeypatch):
    monkeypatch.setattr(benchmark, "MONTHS", 6)
    bundle = load_bundle(default_bundle_path())
    lived = {way: benchmark.lived(31, 4000, way, bundle) for way in ("loop", "naive")}
    recall = {
        name: np.mean([month["recall"][name] for month in lived[way]])
        for name, way in (("oracle", "loop"), ("loop", "loop"), ("naive", "naive"))
    }
    assert recall["oracle"] - recall["loop"] < 0.12
    assert recall["loop"] > recall["naive"]
