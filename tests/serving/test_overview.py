"""The overview: how often people see harm, what was kept from them, what waits; nothing is said that is not known."""

import pytest

from measurement_judges import judge_measurements
from running_server import NDJSON, ndjson, running
from sievert.cli import main
from sievert.schema.clock import SystemClock, to_text
from sievert.schema.person import Role
from signed_in import add_person, token_for


@pytest.fixture
def server(tmp_path, tiny_folder):
    with running(tmp_path / "data", tiny_folder) as one:
        yield one


@pytest.fixture
def token(server):
    """The session of somebody who may read, and nothing else."""
    return token_for(server, add_person(server, roles=[Role.AUDITOR]))


def shown(server, token):
    with server.client() as client:
        client.headers.pop("authorization", None)
        answer = client.get("/overview", headers={"cookie": f"sievert-session={token}"})
    assert answer.status_code == 200
    return " ".join(answer.text.split())


def told(server):
    with server.client() as client:
        return client.get("/api/v1/overview").json()


def test_where_nothing_is_known_nothing_is_claimed(server, token):
    found = told(server)
    assert (found["prevalence"], found["posts"], found["heavy_share"], found["oldest"]) == ([], 0, None, None)
    assert all(one["prevented"] is one["scores"] is one["calibration"] is None for one in found["policies"])
    page = shown(server, token)
    for said in ("Not measured yet", "no audits", "nothing forecast", "nothing judged", "no post yet"):
        assert said in page


def test_posts_a_minute_are_counted_from_when_the_server_began(server):
    """Red when it is not known when that was: then all posts seem to have come within a second."""
    with server.client() as client:
        posts = ndjson(*({"id": f"p{n}", "text": "hello"} for n in range(30)))
        client.post("/api/v1/posts:batch", content=posts, headers=NDJSON).raise_for_status()
    server.doors.metrics.began -= 600
    found = told(server)
    assert found["posts"] == 30
    assert 0 < found["posts_per_minute"] <= 3


def test_a_measurement_is_told_with_its_interval_once_it_is_judged(
    tmp_path, tiny_folder, server, token, monkeypatch
):
    """Red when a number that was not corrected was said to be."""
    monkeypatch.setenv("SIEVERT_DATA_FOLDER", str(tmp_path / "data"))
    monkeypatch.setenv("SIEVERT_BUNDLE", str(tiny_folder))
    posts = [{"id": f"p{n}", "text": "you blorp" if n < 30 else "hello"} for n in range(300)]
    now = to_text(SystemClock().now())
    events = [{"kind": "views", "id": f"v{n}", "at": now, "post_id": f"p{n}", "count": 5} for n in range(300)]
    with server.client() as client:
        assert client.post("/api/v1/posts:batch", content=ndjson(*posts), headers=NDJSON).status_code == 200
        assert client.post("/api/v1/events", content=ndjson(*events), headers=NDJSON).status_code == 200
    line = "sievert prevalence draw hate --today --by-decisions --draws 300"
    monkeypatch.setattr("sys.argv", line.split())
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    (waits,) = told(server)["prevalence"]
    assert waits["waiting"] > 0
    assert waits["harmful_views"] is None
    assert f"hate: {waits['waiting']} posts of the measurement wait" in shown(server, token)
    judge_measurements(server, judges=2)
    server.doors.parts.guard.step(now=SystemClock().now(), rate=0.0)
    (one,) = told(server)["prevalence"]
    assert one["waiting"] == 0
    assert one["low"] <= one["harmful_views"] <= one["high"]
    assert not one["corrected"]
    assert "reviewers' errors are not corrected" in shown(server, token).replace("&#39;", "'")
    assert told(server)["posts"] == 300
