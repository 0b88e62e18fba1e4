"""`sievert experiment create`, `status` and `stop`, as people type them, beside a server that saw posts and views."""

import json

import msgspec
import pytest

from measurement_judges import judge_measurements
from running_server import NDJSON, ndjson, running
from sievert.schema.clock import SystemClock, to_text
from sievert.testing import write_tiny_bundle

POSTS = [{"id": f"bad-b{n}", "text": "you blorp"} for n in range(6)]
POSTS += [{"id": f"bad-n{n}", "text": "you florn"} for n in range(10)]
POSTS += [{"id": f"good{n}", "text": "hello"} for n in range(20)]


def test_the_whole_way_of_an_experiment(tmp_path, tiny_folder, sievert):
    file = tmp_path / "posts.ndjson"
    file.write_bytes(b"\n".join(msgspec.json.encode(one) for one in POSTS))
    other = tmp_path / "other"
    write_tiny_bundle(other, hints={"florn": ("hate", 12.0)})
    with running(tmp_path / "data", tiny_folder) as server:
        now = to_text(SystemClock().now())
        events = [
            {"kind": "views", "id": f"v{n}", "at": now, "post_id": one["id"], "count": 3 + n % 7}
            for n, one in enumerate(POSTS)
        ]
        events.append({"kind": "report", "id": "r", "at": now, "post_id": "bad-n1", "actor_id": "eve"})
        with server.client() as client:
            assert (
                client.post("/api/v1/posts:batch", content=ndjson(*POSTS), headers=NDJSON).status_code == 200
            )
            assert client.post("/api/v1/events", content=ndjson(*events), headers=NDJSON).status_code == 200
        assert "Nothing was tried yet" in sievert("experiment", "status")[2]
        options = ("experiment", "create", "hate", "--posts", str(file), "--today", "--draws", "600")
        same = sievert(*options, "--candidate", str(tiny_folder))
        assert (same[0], "decides here already" in same[2]) == (2, True)
        code, out, err = sievert(*options, "--candidate", str(other), "--json")
        assert code == 0, err
        made = json.loads(out)
        assert made["control"] == [server.doors.parts.bundle.version]
        assert [made[one]["posts"] for one in ("both", "only_candidate", "only_control", "elsewhere")] == [
            6,
            10,
            0,
            20,
        ]
        assert (made["only_candidate"]["reports"], made["left_out"]) == (1, 0.0)
        before = sievert("experiment", "status")[1]
        assert "16 posts wait for a judgement. The answer now: undecided." in before
        judge_measurements(server, judges=2, harmful="bad")
        server.doors.parts.guard.step(now=SystemClock().now(), rate=0.0)
    code, out, err = sievert("experiment", "status", made["experiment_id"])
    assert code == 0, err
    assert "The answer now: better." in out
    assert "only a certificate of its own lets it remove" in out
    told = json.loads(sievert("experiment", "status", "--json")[1])
    assert told["finding"]["prevented"]["value"] == pytest.approx(
        told["experiment"]["only_candidate"]["views"]
    )
    assert sievert("experiment", "stop", "--reason", "it is enough")[0] == 0
    assert "(stopped)" in sievert("experiment", "status")[1]
    assert "has ended" in sievert("experiment", "stop", "--reason", "again")[2]


def test_a_candidate_is_let_act_told_of_and_stopped(tmp_path, tiny_folder, sievert):
    file = tmp_path / "posts.ndjson"
    file.write_bytes(b"\n".join(msgspec.json.encode(one) for one in POSTS))
    other = tmp_path / "other"
    write_tiny_bundle(other, hints={"florn": ("hate", 12.0)})
    with running(tmp_path / "data", tiny_folder, candidate=str(other)) as server, server.client() as client:
        now = to_text(SystemClock().now())
        events = [
            {"kind": "views", "id": f"v{n}", "at": now, "post_id": one["id"], "count": 3}
            for n, one in enumerate(POSTS)
        ]
        for path, some in (("posts:batch", POSTS), ("events", events)):
            assert client.post(f"/api/v1/{path}", content=ndjson(*some), headers=NDJSON).status_code == 200
        options = ("experiment", "create", "hate", "--posts", str(file), "--today", "--draws", "60")
        acting = ("--acting", "0.5", "--acting-days", "7", "--acting-labels", "400", "--more-reports", "0.2")
        code, out, err = sievert(*options, "--candidate", str(other), *acting, "--json")
        assert code == 0, err
        told = json.loads(out)["acting"]
        assert (told["share"], told["rules"]["days"], told["rules"]["labels"]) == (0.5, 7, 400)
        assert told["rules"]["more_reports"] == 0.2
        assert "already" in sievert(*options, "--candidate", str(other), "--acting", "0.1")[2]
        out = sievert("experiment", "status")[1]
        assert "Acting in 50.0% of creators, compared with as many: 0 and 0 creators" in out
        assert "No server has let it decide yet" in out
        assert "The answer of acting now: undecided." in out
        late = [{"id": f"late{n}", "text": "you florn", "creator_id": f"u{n}"} for n in range(40)]
        answer = client.post("/api/v1/posts:batch", content=ndjson(*late), headers=NDJSON)
        assert {json.loads(line)["decision"] for line in answer.text.splitlines()} == {"allow", "review"}
        trail = client.get("/api/v1/posts/late1").json()
        assert '"acted"' in json.dumps(trail)
        assert sievert("experiment", "stop", "--reason", "it is enough")[0] == 0
        after = [{**one, "id": f"after-{one['id']}"} for one in late]
        answer = client.post("/api/v1/posts:batch", content=ndjson(*after), headers=NDJSON)
        assert {json.loads(line)["decision"] for line in answer.text.splitlines()} == {"allow"}
    assert sievert("experiment", "status")[1].count("The answer of acting then: undecided.") == 1
