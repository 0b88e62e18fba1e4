"""Edges out of a folder: numbered, known since they were known, and strange rows set aside by number."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from histories import START, edge, event, post, write_history
from made_graphs import listed
from sievert.datasets.acted import Acted
from sievert.datasets.history import read_history
from sievert.datasets.history_edges import interactions, read_edges
from sievert.datasets.quarantine import Quarantine
from sievert.errors import InvalidField, MalformedInput
from sievert.features.creators.graph import FOREVER, graph_as_of, together
from sievert.schema.clock import HOUR
from sievert.schema.edge import EDGE_KINDS
from sievert.schema.history import NOBODY

GOOD = [
    edge("ann", "bob"),
    edge("bob", "cem", "friend", after=HOUR, until=START + 2 * HOUR),
    edge("ann", "bob", "group"),
    edge("cem", "bob", "page", received_at=START + HOUR),
    edge("dee", "ann", "interaction"),
]


def read(folder, **more):
    out = io.BytesIO()
    network = read_edges(folder, Quarantine(out=out), **more)
    return network, [json.loads(line) for line in out.getvalue().splitlines()]


@pytest.mark.parametrize("as_parquet", [False, True])
def test_both_formats_say_the_same(tmp_path, as_parquet):
    network, aside = read(write_history(tmp_path, edges=GOOD, as_parquet=as_parquet))
    assert aside == []
    assert network.accounts.to_pylist() == ["ann", "bob", "cem", "dee"]
    assert network.places.to_pylist() == ["group/bob", "page/bob"]
    edges = network.edges
    assert edges.source.tolist() == [0, 1, 0, 2, 3]
    assert edges.target.tolist() == [1, 2, 4, 5, 0]
    assert [EDGE_KINDS[kind] for kind in edges.kind] == ["follow", "friend", "group", "page", "interaction"]
    assert (edges.since - START).tolist() == [0, HOUR, 0, HOUR, 0]
    assert edges.until.tolist() == [FOREVER, START + 2 * HOUR, FOREVER, FOREVER, FOREVER]
    assert network.nodes == 6


def test_accounts_that_are_known_keep_their_numbers(tmp_path):
    network, _ = read(write_history(tmp_path, edges=GOOD), accounts=pa.array(["zoe", "cem"]))
    assert network.accounts.to_pylist() == ["zoe", "cem", "ann", "bob", "dee"]
    assert network.edges.source.tolist() == [2, 3, 2, 1, 4]


def test_an_edge_counts_from_when_it_was_known(tmp_path):
    network, _ = read(write_history(tmp_path, edges=[edge("ann", "bob", received_at=START + HOUR)]))
    seen = [len(listed(graph_as_of(network.edges, at, nodes=2))) for at in (START, START + HOUR)]
    assert seen == [0, 2]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (edge("", "bob"), "bad id"),
        (edge("ann", "b" * 129), "bad id"),
        (edge("ann", "b\0b"), "bad id"),
        ({**edge("ann", "bob"), "target_id": None}, "bad id"),
        (edge("ann", "bob", "likes"), "unknown kind"),
        ({**edge("ann", "bob"), "kind": None}, "unknown kind"),
        ({**edge("ann", "bob"), "since": None}, "bad time"),
        ({**edge("ann", "bob"), "since": -5}, "bad time"),
        (edge("ann", "bob", until=START - 1), "bad time"),
        (edge("ann", "bob", until=2**63 - 1), "bad time"),
        (edge("ann", "bob", received_at=START - HOUR), "clock ahead"),
        ({**edge("ann", "bob"), "weight": 3}, "unreadable line"),
        (b'{"source_id": "\xff"}', "unreadable line"),
        (b"[" * 10_000, "unreadable line"),
        (b" " * (1 << 20) + b"{}x", "line too long"),
    ],
)
def test_a_hostile_row_is_set_aside_by_its_number_and_the_rest_goes_on(tmp_path, row, reason):
    network, aside = read(write_history(tmp_path, edges=[GOOD[0], row, GOOD[1]]))
    assert [(one["row"], one["reason"], one["file"]) for one in aside] == [(2, reason, "edges.ndjson")]
    assert len(network.edges) == 2


def test_a_file_that_lacks_a_column_or_is_none_is_refused_by_name(tmp_path):
    write_history(tmp_path, edges=GOOD, as_parquet=True)
    path = tmp_path / "edges.parquet"
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(MalformedInput, match=r"edges\.parquet"):
        read(tmp_path)
    pq.write_table(pa.table({"source_id": ["a"], "target_id": ["b"], "kind": ["follow"]}), path)
    with pytest.raises(InvalidField, match="since"):
        read(tmp_path)


def test_without_edges_there_is_a_network_without_edges(tmp_path):
    network, _ = read(tmp_path)
    assert (network.nodes, len(network.edges)) == (0, 0)


def history_of(folder):
    posts = [post(0, creator_id="ann"), post(1, creator_id="bob")]
    events = [
        event(1, "reaction", actor_id="cem", reaction="like"),
        event(2, "comment", actor_id="cem", text="fine", after=2 * HOUR),
        event(3, "share", actor_id="dee", of=1, after=5 * HOUR),
        event(4, "report", actor_id="eve", reason="spam"),
        event(5, "views", count=3),
    ]
    return read_history(write_history(folder, posts=posts, events=events))


def test_what_people_do_joins_them_and_reports_do_not(tmp_path):
    history = history_of(tmp_path)
    found = interactions(history)
    names = history.accounts.to_pylist()
    pairs = {(names[a], names[b]) for a, b in zip(found.source.tolist(), found.target.tolist(), strict=True)}
    assert pairs == {("cem", "ann"), ("dee", "bob")}
    assert found.since.min() == START + HOUR + 1_000_000  # when it was received, the first time


def test_what_was_done_with_a_post_after_we_acted_on_it_is_left_out(tmp_path):
    history = history_of(tmp_path)
    at = np.array([NOBODY, START + 2 * HOUR])
    found = interactions(history, Acted(at=at, propensity=np.full(2, np.nan)))
    names = history.accounts.to_pylist()
    assert [(names[a], names[b]) for a, b in zip(found.source, found.target, strict=True)] == [("cem", "ann")]
    assert len(together(found, found)) == 2
