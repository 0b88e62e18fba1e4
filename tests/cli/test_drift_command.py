"""`sievert drift`, as people type it, over a server's past and present."""

import json

import pytest

from measurement_judges import judge_measurements
from running_server import NDJSON, ndjson, running
from sievert.schema.clock import DAY, SystemClock, to_text
from sievert.testing import FixedClock


def send(server, posts):
    with server.client() as client:
        assert client.post("/api/v1/posts:batch", content=ndjson(*posts), headers=NDJSON).status_code == 200


def sent(about, count, likely):
    return [{"id": f"{about}{n}", "text": "you blorp" if n < likely else "hello"} for n in range(count)]


def test_what_moved_and_what_is_not_so_any_more_is_told(tmp_path, tiny_folder, sievert):
    now = SystemClock().now()
    with running(tmp_path / "data", tiny_folder, clock=FixedClock(now - 10 * DAY)) as server:
        send(server, sent("a", 300, 9))
    empty = sievert("drift", "hate")
    assert (empty[0], "both windows need some" in empty[2]) == (2, True)
    with running(tmp_path / "data", tiny_folder) as server:
        send(server, sent("b", 300, 90))
        code, out, err = sievert("drift", "hate")
        assert code == 0, err
        assert "moved." in out
        assert "Nothing was judged of hate" in out
        events = [
            {"kind": "views", "id": f"v{n}", "at": to_text(now), "post_id": f"b{n}", "count": 5}
            for n in range(300)
        ]
        with server.client() as client:
            assert client.post("/api/v1/events", content=ndjson(*events), headers=NDJSON).status_code == 200
        drawn = sievert("prevalence", "draw", "hate", "--today", "--by-decisions", "--draws", "300")
        assert drawn[0] == 0, drawn[2]
        judge_measurements(server, judges=2)
        server.doors.parts.guard.step(now=SystemClock().now(), rate=0.0)
    told = json.loads(sievert("drift", "hate", "--json")[1])
    assert (told["scores"]["before"], told["scores"]["now"]) == (300, 300)
    assert told["scores"]["distance"] == pytest.approx(81 / 300)
    assert told["bundles"]["before"] == told["bundles"]["now"]
    assert told["calibration"]["found"] == 0 < told["calibration"]["stated"]
    assert told["calibration"]["high"] < 0
    out = sievert("drift", "hate")[1]
    assert "drifted." in out
    assert "sievert bundle recalibrate" in out
