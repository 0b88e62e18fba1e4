"""Which neighbours are drawn: the same as a slow draw, evenly, few however many there are, and never back."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from made_graphs import edges_of, listed, random_graph, slow_draw, slow_key
from sievert.features.creators.graph import graph_as_of
from sievert.features.creators.sampling import NOTHING, drawn, neighbourhoods


def entries(neighbour, relation):
    there = neighbour != NOTHING
    return list(zip(neighbour[there].tolist(), relation[there].tolist(), strict=True))


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), edges=st.integers(0, 150), wide=st.integers(1, 7), deep=st.integers(1, 4))
def test_it_is_what_a_slow_draw_gives(seed, edges, wide, deep):
    graph = random_graph(nodes=10, edges=edges, seed=seed)
    rows, everybody = listed(graph), np.arange(10)
    found = neighbourhoods(graph, everybody, fanouts=(wide, deep), seed=seed)
    for node in range(10):
        first = slow_draw(rows.get(node, []), slow_key(seed, node), most=wide)
        assert entries(found.first[node], found.first_relation[node]) == first
        for place, (inner, _) in enumerate(first):
            reached = slow_key(seed + 1, node) ^ slow_key(seed, inner)
            second = slow_draw(rows[inner], reached, most=deep, avoid=node)
            assert entries(found.second[node, place], found.second_relation[node, place]) == second
        assert (found.second[node, len(first) :] == NOTHING).all()


@settings(deadline=None)
@given(seed=st.integers(0, 1000), rows=st.lists(st.integers(0, 29), min_size=1, max_size=20))
def test_a_neighbourhood_depends_on_no_other_node_of_the_batch(seed, rows):
    graph = random_graph(nodes=30, edges=400, seed=seed)
    together = neighbourhoods(graph, np.arange(30), fanouts=(5, 3), seed=seed)
    some = neighbourhoods(graph, np.array(rows), fanouts=(5, 3), seed=seed)
    np.testing.assert_array_equal(some.first, together.first[rows])
    np.testing.assert_array_equal(some.second, together.second[rows])


def test_a_draw_never_turns_back_and_never_takes_who_is_to_be_avoided():
    graph = random_graph(nodes=12, edges=300)
    centre = np.arange(12)
    avoid = (centre + 1) % 12
    found = neighbourhoods(graph, centre, fanouts=(6, 6), seed=3, avoid=avoid)
    assert not (found.first == avoid[:, None]).any()
    assert not (found.second == centre[:, None, None]).any()
    assert (found.first != NOTHING).all()  # enough others are there


def test_every_neighbour_is_drawn_equally_often():
    graph = graph_as_of(edges_of([(0, other) for other in range(1, 21)]), 1, nodes=21)
    draws = 20_000
    keys = np.random.default_rng(1).integers(1 << 63, size=draws).astype(np.uint64)
    found, _ = drawn(graph, np.zeros(draws, np.int64), np.full(draws, NOTHING), keys, most=4)
    assert all(len(set(row)) == 4 for row in found[:500].tolist())
    often = np.bincount(found.reshape(-1), minlength=21)[1:]
    expected = draws * 4 / 20
    spread = np.sqrt(expected * (1 - 4 / 20))
    assert np.abs(often - expected).max() < 4.5 * spread


def test_a_hub_with_a_million_neighbours_costs_no_more_memory_than_what_is_drawn():
    hub = np.stack([np.zeros(1_000_000, np.int64), np.arange(1, 1_000_001)], axis=1)
    graph = graph_as_of(edges_of(hub), 1, nodes=1_000_001)
    assert graph.degrees()[0] == 1_000_000
    neighbourhoods(graph, np.arange(2), fanouts=(15, 10), seed=0)  # compiled before it is watched
    tracemalloc.start()
    found = neighbourhoods(graph, np.zeros(64, np.int64), fanouts=(15, 10), seed=0)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2_000_000
    assert len(set(found.first[0].tolist())) == 15
    # Whoever follows only the hub sees the hub, and from there others.
    leaf = neighbourhoods(graph, np.array([77]), fanouts=(15, 10), seed=0)
    assert leaf.first[0].tolist() == [0] + [NOTHING] * 14
    assert len(set(leaf.second[0, 0].tolist()) - {77}) == 10


@pytest.mark.parametrize("centre", [[], [2]])
def test_nodes_without_neighbours_and_no_nodes_at_all(centre):
    graph = graph_as_of(edges_of([(0, 1)]), 1, nodes=3)
    found = neighbourhoods(graph, np.array(centre, np.int64), fanouts=(2, 2), seed=0)
    assert found.second.shape == (len(centre), 2, 2)
    assert (found.first == NOTHING).all()
    assert (found.second == NOTHING).all()
