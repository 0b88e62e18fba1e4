"""Creators in a running server: the network follows its edges, and vectors are those of a history."""

import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.edges import edge
from made_creator_model import write_creator_model
from sievert.features.behaviour.rows import CREATORS, BehaviourSpec, behaviour_rows
from sievert.features.creators.graph import FOREVER, Edges, graph_as_of
from sievert.pipeline.activity import ActivityCounters, NewPost
from sievert.pipeline.creators import AccountName, LiveCreators, LiveNetwork
from sievert.schema.action import Action
from sievert.schema.clock import DAY, SECOND, ManualClock
from sievert.schema.edge import EDGE_KINDS
from sievert.schema.event import Comment, Reaction, Report, Share
from sievert.scoring.creators import load_creators, numbers_in
from sievert.stores.activity.memory import MemoryActivity
from sievert.stores.edges import MemoryEdges
from sievert.stores.standing import MemoryStanding
from sievert.testing import START


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return load_creators(write_creator_model(tmp_path_factory.mktemp("model")))


class Place:
    """The parts around live creators."""

    def __init__(self, encoder):
        self.clock = ManualClock(START)
        self.edges, self.standing = MemoryEdges(), MemoryStanding()
        self.counters = ActivityCounters(MemoryActivity(), said=lambda texts: np.zeros(len(texts), np.int16))
        self.creators = LiveCreators(
            encoder,
            edges=self.edges,
            standing=self.standing,
            counters=self.counters,
            clock=self.clock,
        )

    def publish(self, **by):
        posts = [NewPost(AccountName("default", post), creator, START) for post, creator in by.items()]
        self.counters.register(posts, self.clock.now())

    def hear(self, *events):
        taken = self.counters.take(events, self.clock.now())
        self.creators.hear(taken)
        self.counters.commit(taken)


@pytest.fixture
def place(encoder):
    return Place(encoder)


def account(name):
    return AccountName("default", name)


def kept(place):
    return [(one.kind, one.source_id, one.target_id) for _, one in place.edges.changes(after=0, limit=99)]


def test_a_live_vector_is_that_of_the_same_network_laid_out_at_once(place, encoder):
    place.publish(p1="a", p2="b", p3="a", p4="e")
    told = [
        edge("a", "b"),
        edge("c", "a"),
        edge("b", "g", "group"),
        edge("c", "g", "group"),
        edge("d", "g", "page"),
    ]
    place.edges.put(told[:2])
    place.creators.catch_up()
    place.edges.put(told[2:])
    place.creators.catch_up()
    names = ["d", "c", "b", "a", "e"]  # numbered otherwise than live
    nodes = {name: number for number, name in enumerate(names)} | {"group g": 5, "page g": 6}
    ends = [(one.source_id, f"{one.kind} g" if one.target_id == "g" else one.target_id) for one in told]
    edges = Edges(
        source=np.array([nodes[source] for source, _ in ends]),
        target=np.array([nodes[target] for _, target in ends]),
        kind=np.array([EDGE_KINDS.index(one.kind) for one in told], np.int8),
        since=np.full(len(told), START),
        until=np.full(len(told), FOREVER),
    )
    everybody = [account(name) for name in names]
    known = place.counters.of_accounts(everybody, place.counters.latest)
    values = behaviour_rows(known, BehaviourSpec())[:, CREATORS]
    wanted, _ = encoder.embed(graph_as_of(edges, START, nodes=7), numbers_in(values), np.arange(5))
    np.testing.assert_allclose(place.creators.of(everybody), wanted, atol=1e-5)
    assert len(np.unique(wanted.round(4), axis=0)) == 5, "they differ, or this shows nothing"


def test_who_came_a_minute_ago_is_embedded_and_is_known_better_later(place):
    place.edges.put([edge("a", "b")])
    place.creators.catch_up()
    place.publish(p="new")
    (alone,) = place.creators.of([account("new")])
    place.edges.put([edge("new", "a")])
    np.testing.assert_array_equal(place.creators.of([account("new")])[0], alone)  # not heard yet
    place.creators.catch_up()
    (joined,) = place.creators.of([account("new")])
    assert np.abs(joined - alone).max() > 0.01
    assert place.creators.of([account("new"), account("nobody"), account("a")]).shape == (3, 6)


def test_an_edge_that_ended_is_gone_and_who_is_not_touched_keeps_their_vector(place):
    place.edges.put([edge("a", "b"), edge("x", "y")])
    place.creators.catch_up()
    before = place.creators.of([account("a"), account("x"), account("lonely")])
    place.clock.advance(DAY)
    place.edges.put([edge("a", "b", until=place.clock.now() - 1)])
    place.creators.catch_up()
    made = []
    embed = place.creators._embed
    place.creators._embed = lambda names: made.append([*names]) or embed(names)
    after = place.creators.of([account("a"), account("x"), account("lonely")])
    assert made == [[account("a")]]
    assert np.abs(after[0] - before[0]).max() > 0.01
    np.testing.assert_array_equal(after[1:], before[1:])
    (only,) = place.creators.of([account("b")])
    assert np.abs(only - before[2]).max() < 1e-5, "nobody is around either of them"


def test_those_who_live_alike_are_alike(place):
    place.edges.put(
        [edge(fan, star) for star in ("s1", "s2") for fan in (f"{star}a", f"{star}b", f"{star}c")]
    )
    place.edges.put([edge("loner", "g", "group")])
    place.creators.catch_up()
    place.creators.of([account(name) for name in ("s1", "s2", "s1a", "s2a", "loner")])
    similar = place.creators.similar(account("s1"), most=3)
    assert similar[0][0] == account("s2")
    assert similar[0][1] == pytest.approx(1.0, abs=1e-5)
    assert [cosine for _, cosine in similar] == sorted((cosine for _, cosine in similar), reverse=True)
    assert account("s1") not in dict(similar)


def test_what_people_do_with_posts_joins_them_and_what_follows_from_an_action_does_not(place):
    place.publish(p="ann", q="bo", r=None)
    base = {"at": START, "post_id": "p"}
    removal = Action(
        action_id="a",
        decision_id="d",
        platform="default",
        post_id="q",
        revision=0,
        kind="remove",
        policy="hate",
        performed_at=START + 5 * SECOND,
    )
    place.standing.add((removal,))
    place.clock.advance(10 * SECOND)
    place.hear(
        Reaction(id="1", actor_id="cy", reaction="like", **base),
        Share(id="2", actor_id="cy", **base),
        Report(id="3", actor_id="dee", **base),
        Comment(id="4", text="?", **base),
        Comment(id="5", text="?", actor_id="eve", at=START, post_id="q"),
        Comment(id="6", text="?", actor_id="fay", at=START + 5 * SECOND, post_id="q"),
        Comment(id="7", text="?", actor_id="gus", at=START, post_id="r"),
        Comment(id="8", text="?", actor_id="gus", at=START, post_id="unknown"),
    )
    assert kept(place) == [("interaction", "cy", "ann"), ("interaction", "eve", "bo")]
    place.clock.advance(DAY)
    place.hear(
        Share(id="9", actor_id="cy", **base), Reaction(id="1", actor_id="zoe", reaction="like", **base)
    )
    assert [one.since for _, one in place.edges.changes(after=0, limit=9)] == [START + 10 * SECOND] * 2


_edge = st.builds(
    lambda source, target, kind, ends: edge(source, target, kind, until=START + 1 if ends else None),
    st.sampled_from("abc"),
    st.sampled_from("abcg"),
    st.sampled_from(EDGE_KINDS),
    st.booleans(),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(_edge, max_size=5), max_size=6))
def test_a_network_read_bit_by_bit_is_the_one_read_at_once(batches):
    store = MemoryEdges()
    followed, now = LiveNetwork(store), START + DAY
    for batch in batches:
        store.put(batch)
        followed.catch_up(now)
    fresh = LiveNetwork(store)
    fresh.catch_up(now)
    assert neighbours(followed) == neighbours(fresh)


def neighbours(network):
    """Return who is what to whom, by name."""
    laid, places = network.laid, {number: name for name, number in network._places.items()}

    def name(node):
        return network.names[node] if node < laid.accounts else places[node - laid.accounts]

    starts = laid.graph.starts.tolist()
    return {
        (name(node), name(int(other)), int(relation))
        for node in range(laid.graph.nodes)
        for other, relation in zip(
            laid.graph.neighbour[starts[node] : starts[node + 1]],
            laid.graph.relation[starts[node] : starts[node + 1]],
            strict=True,
        )
    }


def test_a_torn_network_is_no_network(place):
    """What is laid out is exchanged whole: a reader never sees the accounts of one and the edges of another."""
    place.edges.put([edge("a", "b")])
    place.creators.catch_up()
    before = place.creators.network.laid
    place.edges.put([edge("c", "d")])
    place.creators.catch_up()
    assert dataclasses.astuple(before)[1] == before.graph.nodes == 2
