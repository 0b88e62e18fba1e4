"""A server that starts with another bundle decides anew about what is still looked at, and tells how much waits."""

import time

import pytest

from running_server import NDJSON, ndjson, running
from sievert.testing import write_tiny_bundle


@pytest.fixture
def other_folder(tmp_path):
    folder = tmp_path / "other"
    write_tiny_bundle(folder, sure=2.0)
    return folder


def trail(client, post_id):
    return client.get(f"/api/v1/posts/{post_id}").json()["decisions"]


def until(client, post_id, decisions):
    deadline = time.monotonic() + 30
    while len(found := trail(client, post_id)) < decisions and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def test_what_another_bundle_thinks_of_posts_of_the_past(tmp_path, tiny_folder, other_folder):
    posts = [{"id": f"p{n}", "text": "you blorp", "creator_id": "ann"} for n in range(40)]
    with running(tmp_path / "data", tiny_folder) as server, server.client() as client:
        client.post(
            "/api/v1/posts:batch", content=ndjson(*posts, {"id": "fine", "text": "hi"}), headers=NDJSON
        )
        first = trail(client, "p0")
        assert [one["trigger"] for one in first] == ["created"]
    with running(tmp_path / "data", other_folder) as server, server.client() as client:
        for post in posts:
            again = until(client, post["id"], 2)
            assert [one["trigger"] for one in again] == ["created", "bundle"]
            assert again[1]["bundle"] != again[0]["bundle"]
            assert again[1]["probability"] < again[0]["probability"]
        assert len(trail(client, "fine")) == 1
        told = client.get("/metrics").text
        assert 'sievert_triggers_total{trigger="bundle"} 40.0' in told
        assert 'sievert_anew_waiting{what="bundle"} 0.0' in told
    with running(tmp_path / "data", tiny_folder) as server, server.client() as client:
        # The first one decides again: it has not looked at them anew, but for their first decision.
        assert [one["trigger"] for one in until(client, "p0", 3)] == ["created", "bundle", "bundle"]
