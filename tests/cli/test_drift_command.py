"""`sievert drift`, as people type it, over a server's past and present."""

import json

import pytest

from measurement_judges import judge_measurements
from running_server import NDJSON, ndjson, running
from sievert.schema.clock import DAY, SystemClock, to_text
from sievert.testing import FixedClock
from tiny_heavy import tiny_model, tiny_parts, write_with_heavy


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


@pytest.fixture(scope="module")
def embedding_folder(tmp_path_factory, tiny_bundle):
    """A tiny bundle whose heavy model embeds texts."""
    folder = tmp_path_factory.mktemp("embedding") / "bundle"
    write_with_heavy(folder, tiny_bundle, tiny_parts(model=tiny_model(width=4)))
    return folder


def test_with_their_texts_features_and_embeddings_are_compared(
    tmp_path, embedding_folder, sievert, monkeypatch
):
    """Red when the windows were told apart by the file's order in place of what was decided when."""
    monkeypatch.setenv("SIEVERT_BUNDLE", str(embedding_folder))
    old = [{"id": f"a{n}", "text": f"hello there {n % 7}"} for n in range(120)]
    same = [{"id": f"b{n}", "text": f"hello there {n % 7}"} for n in range(80)]
    fresh = [{"id": f"c{n}", "text": f"not not http://a.example/{n % 7} hello"} for n in range(40)]
    with running(
        tmp_path / "data", embedding_folder, clock=FixedClock(SystemClock().now() - 10 * DAY)
    ) as server:
        send(server, old)
    with running(tmp_path / "data", embedding_folder) as server:
        send(server, same + fresh)
    file = tmp_path / "posts.ndjson"
    file.write_bytes(ndjson(*fresh, *old, *same))
    code, out, err = sievert("drift", "hate", "--posts", str(file))
    assert code == 0, err
    assert "Features that moved: " in out
    assert "links" in out
    assert "Embeddings of 120 posts before and 120 now" in out
    told = json.loads(sievert("drift", "hate", "--posts", str(file), "--json")[1])
    assert {one["feature"] for one in told["features"] if one["moved"]} >= {"links"}
    assert told["embeddings"]["p_value"] <= 0.05
    assert {name[0] for name in told["strangers"]} == {"c"}
    file.write_bytes(ndjson(*old, *same))
    told = json.loads(sievert("drift", "hate", "--posts", str(file), "--json")[1])
    assert not any(one["moved"] for one in told["features"])
    assert told["embeddings"]["p_value"] > 0.05
