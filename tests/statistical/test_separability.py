"""Is a simulated world honest: can no single kind of model solve it, and do all of them help?

`python benchmarks/separability.py --write` measures a large world with its settings as they are; here a
smaller one with more harm is measured anew, and what is checked in is read.
"""

import json
import sys
from pathlib import Path

import pytest

from sievert.simulation.settings import WorldSettings

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SINGLE = ("text", "image", "behaviour")
WELL_BELOW = 0.8
"""The truth itself has an average precision of 1."""


@pytest.fixture(scope="module")
def stored():
    return json.loads((BENCHMARKS / "results" / "separability.json").read_text())


def precision_of(found, name):
    return found["models"][name]["average_precision"]


def test_in_the_stored_results_no_single_model_solves_the_world(stored):
    for name in SINGLE:
        assert precision_of(stored, name)["high"] < WELL_BELOW, name
    assert precision_of(stored, "union")["value"] < 0.95


def test_in_the_stored_results_the_union_beats_each(stored):
    assert set(stored["union_better_by"]) == set(SINGLE)
    for name, gain in stored["union_better_by"].items():
        assert gain["low"] > 0, name


def test_in_the_stored_results_each_model_sees_something(stored):
    for name in ("text", "behaviour"):
        assert precision_of(stored, name)["low"] > 2 * stored["prevalence"], name
    # Most posts have no image, and most harm with one lies in what stands beside it.
    assert precision_of(stored, "image")["value"] > 1.2 * stored["prevalence"]


def test_in_the_stored_results_harm_in_text_and_picture_together_needs_both(stored):
    found = {name: one["by_form"]["combination"] for name, one in stored["models"].items()}
    for name in ("text", "image"):
        assert found["union"]["average_precision"] > 2 * found[name]["average_precision"], name


def test_in_the_stored_results_the_world_is_the_one_of_the_settings(stored):
    assert stored["posts"] > 200_000
    assert stored["harmful_held"] > 300
    assert 0.5 * WorldSettings().prevalence < stored["prevalence"] < 3 * WorldSettings().prevalence
    assert stored["text_gap"] == pytest.approx(
        stored["text_random_split"] - stored["text_time_split"], abs=0.002
    )


@pytest.mark.statistical
@pytest.mark.timeout(1800)
@pytest.mark.filterwarnings("default")
def test_a_smaller_world_is_no_easier(monkeypatch):
    """Red when a word of its own stood in every harmful text: n-grams found all of it."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    for name in ("separability", "platform_view", "single_models"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    from separability import measure

    settings = WorldSettings(seed=3, creators=3000, harm_of_toxic=0.02)
    found = measure(settings, days=20, resamples=200)

    for name in SINGLE:
        assert precision_of(found, name)["value"] < WELL_BELOW, name
        assert found["union_better_by"][name]["value"] > 0, name
    assert found["union_better_by"]["image"]["low"] > 0
    assert found["union_better_by"]["behaviour"]["low"] > 0
    assert precision_of(found, "behaviour")["low"] > 1.2 * found["prevalence"]
    assert precision_of(found, "union")["value"] > 5 * found["prevalence"]
