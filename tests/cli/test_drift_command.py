"""`sievert drift`, as people type it, over a server's past and present."""

import json

import pytest

from running_server import NDJSON, ndjson, running
from sievert.cli import main
from sievert.schema.action import CaseKind
from sievert.schema.clock import DAY, SystemClock, to_text
from sievert.testing import FixedClock


@pytest.fixture
def sievert(tmp_path, tiny_folder, monkeypatch, capsys):
    """Run a command in this process, with the server's folder and bundle."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("SIEVERT_DATA_FOLDER", str(tmp_path / "data"))
    monkeypatch.setenv("SIEVERT_BUNDLE", str(tiny_folder))

    def command(*arguments):
        monkeypatch.setattr("sys.argv", ["sievert", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return ended.value.code or 0, printed.out, printed.err

    return command


def send(server, posts):
    with server.client() as client:
        assert client.post("/api/v1/posts:batch", content=ndjson(*posts), headers=NDJSON).status_code == 200


def sent(about, count, likely):
    return [{"id": f"{about}{n}", "text": "you blorp" if n < likely else "hello"} for n in range(count)]


def judge_harmless(server):
    """Let two people find everything harmless that waits."""
    for key in [server.new_key("review:work") for _ in range(2)]:
        with server.client(key) as client:
            while True:
                given = client.post("/api/v1/cases/claim", json={"kinds": [CaseKind.MEASUREMENT]})
                if given.status_code == 204:
                    break
                case = given.json()["case"]["case_id"]
                told = {"violates": [], "judged": ["hate"]}
                assert client.post(f"/api/v1/cases/{case}/verdict", json=told).status_code < 300


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
        judge_harmless(server)
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
