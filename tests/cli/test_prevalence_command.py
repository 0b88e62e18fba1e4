"""`sievert prevalence plan`, `draw` and `estimate`, as people type them, beside a server that saw posts and views."""

import json

import msgspec

from measurement_judges import judge_measurements
from running_server import NDJSON, ndjson, running
from sievert.schema.clock import SystemClock, to_text
from sievert.testing import write_tiny_bundle

POSTS = [{"id": f"bad{n}", "text": "you blorp"} for n in range(10)]
POSTS += [{"id": f"good{n}", "text": "hello"} for n in range(30)]


def test_the_whole_way_of_a_measurement(tmp_path, tiny_folder, sievert):
    file = tmp_path / "posts.ndjson"
    file.write_bytes(b"\n".join(msgspec.json.encode(one) for one in POSTS))
    other = tmp_path / "other"
    write_tiny_bundle(other, sure=9.0)
    with running(tmp_path / "data", tiny_folder) as server:
        now = to_text(SystemClock().now())
        views = [
            {"kind": "views", "id": f"v{n}", "at": now, "post_id": one["id"], "count": 3 + n % 7}
            for n, one in enumerate(POSTS)
        ]
        with server.client() as client:
            assert (
                client.post("/api/v1/posts:batch", content=ndjson(*POSTS), headers=NDJSON).status_code == 200
            )
            assert client.post("/api/v1/events", content=ndjson(*views), headers=NDJSON).status_code == 200
        assert "Nothing was measured yet" in sievert("prevalence", "estimate")[2]
        code, _, said = sievert("prevalence", "plan", "hate", "--today")
        assert (code, "Say what measures" in said) == (2, True)
        same = sievert(
            "prevalence", "draw", "hate", "--today", "--measuring", str(tiny_folder), "--posts", str(file)
        )
        assert (same[0], "decides about these posts" in same[2]) == (2, True)
        code, out, _ = sievert("prevalence", "plan", "hate", "--today", "--by-decisions")
        assert (code, "plain views would take" in out) == (0, True)
        options = ("hate", "--today", "--measuring", str(other), "--posts", str(file))
        code, out, err = sievert("prevalence", "draw", *options, "--draws", "300", "--json")
        assert code == 0, err
        drawn = json.loads(out)
        assert drawn["measured_by"].startswith("tiny@")
        assert drawn["decided_by"] == [server.doors.parts.bundle.version]
        assert (drawn["posts"], drawn["unscored"]) == (40, 0.0)
        waits = sievert("prevalence", "estimate", "--as-judged")
        assert (waits[0], "wait for a judgement" in waits[2]) == (2, True)
        assert judge_measurements(server, judges=3, harmful="bad") >= 2 * drawn["cases"]
        server.doors.parts.guard.step(now=SystemClock().now(), rate=0.0)
    unknown = sievert("prevalence", "estimate")
    assert (unknown[0], "how often your reviewers err" in unknown[2]) == (2, True)
    code, out, err = sievert(
        "prevalence", "estimate", drawn["measurement_id"], "--known-harmful", "200", "--called-harmless", "4",
        "--known-harmless", "400", "--json",
    )  # fmt: skip
    assert code == 0, err
    share = json.loads(out)["share"]
    seen = {one["post_id"]: one["count"] for one in views}
    true = sum(count for name, count in seen.items() if name.startswith("bad")) / sum(seen.values())
    assert share["low"] <= true <= share["high"]
    told = sievert("prevalence", "estimate", "--as-judged")[1]
    assert "Views of harmful content in 10,000" in told
    assert now[:10] in told
