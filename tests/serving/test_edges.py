"""Edges come in over HTTP, and creators are compared by them."""

import pytest

from made_creator_model import write_creator_model
from running_server import NDJSON, ndjson, running
from sievert.schema.clock import SECOND, SystemClock
from sievert.schema.edge import KeptEdge

EDGES, SIMILAR = "/api/v1/edges", "/api/v1/creators/similar"
SINCE = "2026-03-01T12:00:00Z"


def edge(source, target, kind="follow", **more):
    return {"kind": kind, "source_id": source, "target_id": target, "since": SINCE, **more}


def similar(client, name, **more):
    return client.get(SIMILAR, params={"creator_id": name, **more})


@pytest.fixture(scope="module")
def server(tmp_path_factory, tiny_folder):
    folder = tmp_path_factory.mktemp("edges")
    model = write_creator_model(folder / "model")
    with running(folder / "data", tiny_folder, creators_model=str(model)) as one:
        yield one


def send(server, *edges):
    with server.client() as client:
        return client.post(EDGES, content=ndjson(*edges), headers=NDJSON)


def test_edges_are_kept_and_answered_in_their_order(server):
    answer = send(server, edge("a", "b"), edge("b", "g", "group", until="2026-03-02T12:00:00Z"))
    assert answer.status_code == 200
    kept = [one for _, one in server.doors.stores.edges.changes(after=0, limit=9)]
    assert [one[:4] for one in kept] == [("default", "follow", "a", "b"), ("default", "group", "b", "g")]
    assert isinstance(kept[0], KeptEdge)
    assert kept[1].until - kept[1].since == 86_400 * SECOND


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (edge("a", "b", "enemy"), "kind"),
        (edge("", "b"), "source_id"),
        (edge("a", "é" * 100), "target_id"),
        ({**edge("a", "b"), "since": "yesterday"}, "since"),
        ({**edge("a", "b"), "since": (SystemClock().now() + 3600 * SECOND)}, "since"),
        (edge("a", "b", until="2020-01-01T00:00:00Z"), "until"),
        (edge("a", "b", weight=2), "weight"),
    ],
)
def test_a_wrong_edge_is_refused_by_name_and_its_neighbours_are_kept(server, wrong, field):
    before = server.doors.stores.edges.changes(after=0, limit=99)
    answer = send(server, edge(f"one-{field}", "x"), wrong, edge(f"two-{field}", "x"))
    first, second, third = [line for line in answer.text.splitlines() if line]
    assert f'"one-{field}"' in first
    assert f'"two-{field}"' in third
    assert field in second
    assert '"status":4' in second.replace(" ", "")
    after = server.doors.stores.edges.changes(after=0, limit=99)
    assert len({one.source_id for _, one in after} - {one.source_id for _, one in before}) <= 2


def test_creators_are_compared_on_demand(server):
    star = [edge(f"{name}{fan}", name) for name in ("s1", "s2") for fan in range(3)]
    send(server, *star, edge("loner", "p", "page"))
    server.doors.parts.creators.catch_up()
    with server.client() as client:
        client.post(
            "/api/v1/posts", json={"id": "p", "text": "hello", "creator_id": "a/new one"}
        ).raise_for_status()
        client.get(SIMILAR, params={"creator_id": "a/new one"}).raise_for_status()
        assert similar(client, "nobody").status_code == 404
        assert similar(client, "s1", platform="elsewhere").status_code == 404
        for wrong in ({"most": 0}, {"creator_id": ""}, {"creator_id": "é" * 100}, {"creator_id": "a\x00"}):
            assert similar(client, "s1", **wrong).status_code in (413, 422), wrong
        while server.doors.parts.creators.embed_some(most=5):
            pass  # as the server does by itself, half a minute later
        found = similar(client, "s1", most=2).json()
    assert found["model"] == server.doors.parts.creators.vectors.version
    assert len(found["items"]) == 2
    with server.client() as client:
        alike = [one for one in similar(client, "s1", most=9).json()["items"] if one["cosine"] == 1.0]
    assert {"creator_id": "s2", "platform": "default", "cosine": 1.0} in alike
    assert not {"loner", "a/new one"} & {one["creator_id"] for one in alike}


def test_a_server_without_a_model_keeps_edges_and_says_what_it_lacks(tmp_path, tiny_folder):
    with running(tmp_path, tiny_folder) as server, server.client() as client:
        assert send(server, edge("a", "b")).status_code == 200
        refused = similar(client, "a")
        assert refused.status_code == 404
        assert "creators_model" in refused.json()["remedy"]


def test_edges_outlive_the_server(tmp_path, tiny_folder):
    with running(tmp_path / "data", tiny_folder) as server:
        send(server, edge("a", "b"))
    model = write_creator_model(tmp_path / "model")
    with running(tmp_path / "data", tiny_folder, creators_model=str(model)) as server:
        server.doors.parts.creators.catch_up()
        assert [name.id for name in server.doors.parts.creators.network.names] == ["a", "b"]
