"""The simulated day of `benchmarks/capacity.py`: its queues against what queueing theory says of them."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st


def _loaded():
    path = Path(__file__).parents[2] / "benchmarks" / "capacity.py"
    spec = importlib.util.spec_from_file_location("capacity", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


capacity = _loaded()

COSTS = {"held_batch": 0.0, "held_post": 0.001, "held_batch_of_events": 0.0, "held_event": 0.0}


def test_one_place_that_takes_posts_one_by_one_waits_as_a_queue_with_one_server_does():
    # Pollaczek and Khinchine: with Poisson arrivals and fixed service s, the mean wait is rho s / 2 (1 - rho).
    for rho in (0.3, 0.6, 0.8):
        waits = capacity.schema_waits(rho * 1000, 0.0, COSTS, 1, np.random.default_rng(2), seconds=200)
        assert waits.mean() - 0.001 == pytest.approx(rho * 0.001 / (2 * (1 - rho)), rel=0.1)


def test_a_place_that_gets_more_than_it_can_take_is_known_for_it():
    rng = np.random.default_rng(3)
    assert capacity.schema_waits(1100.0, 0.0, COSTS, 2000, rng) is None
    assert capacity.schema_waits(900.0, 0.0, COSTS, 2000, rng) is not None
    told = COSTS | {"held_event": 0.0001}
    assert capacity.schema_waits(900.0, 2.0, told, 2000, rng) is None


def test_what_a_batch_costs_however_small_is_shared_by_those_that_travel_in_it():
    rng, costs = np.random.default_rng(4), COSTS | {"held_batch": 0.01}
    assert capacity.schema_waits(500.0, 0.0, costs, 1, rng) is None
    waits = capacity.schema_waits(500.0, 0.0, costs, 2000, rng)
    assert 0.011 < np.median(waits) < 0.05


@given(st.lists(st.floats(0, 100), min_size=1, max_size=50), st.floats(1, 100))
def test_a_queue_never_loses_work(came, can):
    work = np.array(came)
    waits = capacity.queue(work, np.full(len(work), can))
    left, done = waits[-1] * can, 0.0
    backlog = 0.0
    for one in came:
        done += min(backlog + one, can)
        backlog = max(0.0, backlog + one - can)
    assert math.isclose(done + left, work.sum(), rel_tol=1e-9, abs_tol=1e-6)


def test_a_machine_that_dies_in_the_busiest_hour_costs_waiting_and_a_spare_one_keeps_it_short():
    assumed = capacity.Assumed(room=0.7)
    posts = np.full(capacity.DAY, 10_000.0)
    cost = 0.01  # a hundred cores
    machines = capacity.machines_for(posts, cost, assumed)
    assert machines == 6  # of 32 cores at 0.7, and one more
    spare = capacity.day(posts.copy(), cost, machines, assumed, died_at=40_000)
    none = capacity.day(posts.copy(), cost, 4, assumed, died_at=40_000)
    assert spare[39_000] == 0 < spare[40_010:40_020].max() < 1
    assert 20 < none.max() < 40
    assert none[-1] == 0
