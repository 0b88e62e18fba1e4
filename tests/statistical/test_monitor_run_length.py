"""Does the monitor cry wolf as seldom as it says, and notice what it should?

`python benchmarks/monitor.py --write` measures it; this draws run lengths anew, and reads what is checked in.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from sievert.measurement.monitor import monitor, watch

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "monitor.json"
T, RUN_LENGTH, BLOCK, W_MAX = 0.95, 7300, 500, 2.0


def yes_or_no(rng, before):
    """Right or wrong, by itself."""
    return (rng.random((len(before), BLOCK)) < T).astype(np.float64), 1.0


def weighted(rng, before):
    """Weights up to the largest one, drawn by themselves."""
    return (rng.random((len(before), BLOCK)) < T).astype(np.float64), W_MAX * rng.random((len(before), BLOCK))


def in_campaigns(rng, before):
    """Reviewers' shares instead of yes or no; a bad one makes the next swing widely. Given the past: t."""
    y = np.empty((len(before), BLOCK))
    for at in range(BLOCK):
        low = np.where(before < T, 0.2, 0.8)
        y[:, at] = before = np.where(rng.random(len(before)) < (1 - T) / (1 - low), low, 1.0)
    return y, 1.0


def run_lengths(draw, repetitions, rng):
    """Return audits until each repetition fires, waited for to the end."""
    watched = monitor(T, RUN_LENGTH, w_max=W_MAX if draw is weighted else 1.0)
    worth, before = np.zeros((repetitions, len(watched.stakes))), np.ones(repetitions)
    done, heard = [], 0
    while len(worth):
        y, weight = draw(rng, before)
        first, worth = watch(watched, y, weight, worth=worth)
        done.append(heard + first[first > 0])
        worth, before = worth[first == 0], y[first == 0, -1]
        heard += BLOCK
    return np.concatenate(done)


@pytest.mark.statistical
@pytest.mark.timeout(900)
@pytest.mark.parametrize("draw", [yes_or_no, weighted, in_campaigns])
def test_at_exactly_t_the_average_run_length_is_at_least_the_stated_one(draw):
    lengths = run_lengths(draw, 400, np.random.default_rng(5))
    assert lengths.mean() > RUN_LENGTH - 3 * lengths.std() / len(lengths) ** 0.5


@pytest.fixture(scope="module")
def stored():
    return json.loads(RESULTS.read_text())


def test_the_stored_run_length_is_at_least_the_stated_one(stored):
    assert stored["stated_run_length"] == RUN_LENGTH
    assert stored["run_length_at_0.95"] - 3 * stored["run_length_at_0.95_standard_error"] >= RUN_LENGTH
    assert stored["run_length_at_0.97"] > 10 * stored["run_length_at_0.95"]


def test_the_stored_delays_meet_the_aims_at_once_and_after_good_days(stored):
    for precision, aim in stored["aims"].items():
        for when in ("at_0", "after_5000"):
            assert stored["delays"]["monitor"][precision][when]["mean"] <= aim


def test_no_stored_window_is_at_least_as_quick_everywhere(stored):
    """At equal false alarms each length of window is slower for some precision."""
    ours = stored["delays"]["monitor"]
    for name, window in stored["delays"].items():
        if name != "monitor":
            assert any(window[p]["at_0"]["mean"] > 1.05 * ours[p]["at_0"]["mean"] for p in ours), name
