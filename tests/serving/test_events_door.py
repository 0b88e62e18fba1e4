"""The door of events, as a platform meets it."""

import msgspec
import pytest

from sievert.schema.clock import SECOND
from sievert.schema.event import Login, Report, Verdict, Views

NDJSON = {"Content-Type": "application/x-ndjson"}


def tell(client, *events):
    body = b"\n".join(one if isinstance(one, bytes) else msgspec.json.encode(one) for one in events)
    answer = client.post("/api/v1/events", content=body, headers=NDJSON)
    assert answer.status_code == 200, answer.text
    return [msgspec.json.decode(line) for line in answer.content.splitlines()]


@pytest.fixture
def now(server):
    return server.doors.clock.now() - SECOND


def reports(now, count):
    return [Report(id=f"r{n}", at=now, post_id="fine", actor_id=f"reader-{n}") for n in range(count)]


def test_reports_bring_a_post_before_a_person(client, now):
    client.post("/api/v1/posts", json={"id": "fine", "text": "what a lovely morning", "creator_id": "ann"})
    answers = tell(client, Views(id="v", at=now, post_id="fine", count=12), *reports(now, 12))
    assert answers == [{"id": "v", "counted": True}, *({"id": f"r{n}", "counted": True} for n in range(12))]
    trail = client.get("/api/v1/posts/fine").json()["decisions"]
    assert [(one["trigger"], one["decision"] if "decision" in one else one["outcome"]) for one in trail] == [
        ("created", "allow"),
        ("reports", "review"),
    ]
    assert trail[1]["reasons"][0]["sentence"]
    (case,) = client.get("/api/v1/cases").json()["items"]
    assert case["post_id"] == "fine"
    # The same post again gets the answer that it had.
    again = client.post(
        "/api/v1/posts", json={"id": "fine", "text": "what a lovely morning", "creator_id": "ann"}
    )
    assert again.json()["decision"] == "allow"


def test_bad_lines_get_a_problem_with_their_number_and_the_rest_counts(client, now):
    answers = tell(
        client,
        Views(id="a", at=now, post_id="p"),
        b'{"kind":"views","id":"b","at":1,"post_id":"p","count":0}',
        b"{",
        Views(id="a", at=now, post_id="p"),
        Login(id="c", at="2001-02-03T04:05:06+00:00", creator_id="ann", country="FR"),
    )
    assert [answer.get("counted", answer.get("line")) for answer in answers] == [True, 2, 3, False, True]
    assert "count" in answers[1]["field"]


def test_a_verdict_needs_the_scope_of_labels(server, now):
    verdict = Verdict(id="x", at=now, post_id="p", harmful=True)
    with server.client(server.new_key("events:write")) as plain:
        (refused,) = tell(plain, verdict)
        assert refused["status"] == 422
        assert "labels:write" in refused["remedy"]
        assert tell(plain, Views(id="v", at=now, post_id="p")) == [{"id": "v", "counted": True}]
    with server.client(server.new_key("events:write", "labels:write")) as judge:
        assert tell(judge, verdict) == [{"id": "x", "counted": True}]


def test_events_need_a_scope_and_a_media_type(server, client):
    with server.client(server.new_key("posts:write")) as other:
        assert other.post("/api/v1/events", content=b"", headers=NDJSON).status_code == 403
    assert client.post("/api/v1/events", json={}).status_code == 415


def test_what_came_is_counted_and_shown(client, now):
    tell(client, *reports(now, 2), *reports(now, 2), b"nonsense")
    page = client.get("/metrics").text
    assert 'sievert_events_total{result="counted"} 2.0' in page
    assert 'sievert_events_total{result="repeated"} 2.0' in page
    assert 'sievert_events_total{result="refused"} 1.0' in page


def test_the_path_goes_on_after_a_restart(tmp_path, tiny_folder):
    from running_server import running

    for start in range(2):
        with running(tmp_path / "data", tiny_folder) as server, server.client() as client:
            if start == 0:
                client.post("/api/v1/posts", json={"id": "fine", "text": "lovely", "creator_id": "ann"})
            now = server.doors.clock.now() - SECOND
            six = [
                Report(id=f"{start}-{n}", at=now, post_id="fine", actor_id=f"{start}-{n}") for n in range(6)
            ]
            tell(client, *six)
            trail = client.get("/api/v1/posts/fine").json()["decisions"]
            assert len(trail) == 2 + start
