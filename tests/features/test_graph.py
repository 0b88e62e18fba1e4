"""The network as of a time: what counts as a neighbour, and that nothing later or ended does."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from made_graphs import edges_of, listed, random_edges, slow_neighbours
from sievert.errors import InvalidField
from sievert.features.creators.graph import FOREVER, FRIEND, RELATIONS, graph_as_of


@given(
    seed=st.integers(0, 10_000), nodes=st.integers(1, 12), edges=st.integers(0, 60), as_of=st.integers(0, 120)
)
def test_it_is_what_a_look_at_every_edge_finds(seed, nodes, edges, as_of):
    made = random_edges(np.random.default_rng(seed), nodes=nodes, edges=edges)
    graph = graph_as_of(made, as_of, nodes=nodes)
    assert graph.nodes == nodes
    assert listed(graph) == slow_neighbours(made, as_of)


@given(seed=st.integers(0, 10_000), as_of=st.integers(0, 120))
def test_deleting_future_edges_changes_nothing(seed, as_of):
    made = random_edges(np.random.default_rng(seed), nodes=9, edges=50)
    past = made.take(made.since <= as_of)
    assert listed(graph_as_of(made, as_of, nodes=9)) == listed(graph_as_of(past, as_of, nodes=9))


@given(seed=st.integers(0, 10_000))
def test_repeats_loops_and_the_order_of_edges_make_no_difference(seed):
    rng = np.random.default_rng(seed)
    made = random_edges(rng, nodes=9, edges=40)
    again = made.take(rng.permutation(np.tile(np.arange(len(made)), 3)))
    plain = made.take(made.source != made.target)
    wanted = listed(graph_as_of(plain, 60, nodes=9))
    assert listed(graph_as_of(again, 60, nodes=9)) == wanted


def test_an_edge_is_walked_both_ways_and_each_way_means_something_else():
    graph = graph_as_of(edges_of([(0, 1), (2, 1)], kind=[0, FRIEND]), 1, nodes=4)
    named = {
        node: [(other, RELATIONS[way]) for other, way in entries] for node, entries in listed(graph).items()
    }
    assert named == {
        0: [(1, "follow out")],
        1: [(0, "follow in"), (2, "friend out")],
        2: [(1, "friend out")],
    }
    assert graph.degrees().tolist() == [1, 2, 1, 0]


def test_an_edge_that_ended_is_gone_from_then_on():
    made = edges_of([(0, 1)], since=10, until=20)
    assert [len(graph_as_of(made, at, nodes=2).neighbour) for at in (9, 10, 19, 20)] == [0, 2, 2, 0]


def test_what_came_after_a_removal_tells_of_us_and_is_left_out():
    made = edges_of([(0, 1), (2, 1), (1, 3), (0, 3)], since=[5, 15, 15, 15])
    removed = np.array([FOREVER, 10, FOREVER, FOREVER])
    kept = listed(graph_as_of(made, 50, nodes=4, removed_at=removed))
    assert {node: [other for other, _ in entries] for node, entries in kept.items()} == {
        0: [1, 3],
        1: [0],
        3: [0],
    }


@pytest.mark.parametrize("pair", [(0, 3), (-1, 0)])
def test_a_node_that_is_not_there_is_refused_by_name(pair):
    with pytest.raises(InvalidField, match="is not one of 3 nodes"):
        graph_as_of(edges_of([pair]), 1, nodes=3)


def test_no_edges_are_a_network_too():
    graph = graph_as_of(edges_of([]), 1, nodes=3)
    assert graph.starts.tolist() == [0, 0, 0, 0]
    assert len(graph.neighbour) == len(graph.relation) == 0
