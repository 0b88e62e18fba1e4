"""`sievert drift`, as people type it, over a server's past and present."""

import itertools
import json

import pytest

from histories import write_history
from measurement_judges import judge_measurements
from running_server import NDJSON, ndjson, running
from sievert.schema.clock import DAY, HOUR, SECOND, SystemClock, to_text
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


def lived(about, count, since, *, account_days=400, by=None, reported=lambda n: False, after=HOUR):
    """Posts a minute apart, each by an account of its own unless `by` is told, with what became of them after so long."""
    posts, events = [], []
    for n in range(count):
        name, at = f"{about}{n}", since + 60 * n * SECOND
        creator, when = by or f"c-{name}", {"at": at + after}
        posts.append({"id": name, "creator_id": creator, "text": "hello", "created_at": at})
        made = {"account_created_at": at - (account_days + n % 7) * DAY, "followers": n % 11}
        events.append({"id": f"p-{name}", "kind": "profile", "creator_id": creator, "at": at - HOUR, **made})
        events.append({"id": f"v-{name}", "kind": "views", "post_id": name, "count": 20 + n % 9, **when})
        for k in range(5 if reported(n) else 0):
            report = {"id": f"r-{name}-{k}", "kind": "report", "post_id": name, "actor_id": f"a{k}"}
            events.append({**report, **when})
    return posts, events


def test_with_a_history_what_people_did_and_who_posts_are_compared(tmp_path, tiny_folder, sievert):
    """Red when posts were asked as of now, by when old ones had gathered more, and when each post of a creator counted."""
    now = SystemClock().now()
    half = {"reported": lambda n: n % 2 == 0}
    old, before = lived("a", 150, now - 12 * DAY)
    late = lived("a", 150, now - 12 * DAY, **half, after=5 * DAY)[1]
    new, same = lived("b", 150, now - 3 * DAY)
    loud, one = lived("l", 150, now - 3 * DAY, account_days=1, by="loud")
    other = lived("b", 150, now - 3 * DAY, account_days=1, **half)[1]
    for posts, days in ((old, 12), (new + loud, 3)):
        with running(tmp_path / "data", tiny_folder, clock=FixedClock(now - days * DAY)) as server:
            send(server, [{"id": post["id"], "text": post["text"]} for post in posts])

    def told(name, *events):
        rows = sorted(itertools.chain(*events), key=lambda event: event["at"])
        history = write_history(tmp_path / name, posts=old + new + loud, events=rows)
        code, out, err = sievert("drift", "hate", "--history", str(history), "--json")
        assert code == 0, err
        return json.loads(out)["behaviour"]

    reports = [event for event in late if event["kind"] == "report"]
    reports.append({"id": "last", "kind": "login", "creator_id": "loud", "country": "FR", "at": now - HOUR})
    still = told("still", before, reports, same, one)
    assert [one["feature"] for one in still["behaviour"] + still["creators"] if one["moved"]] == []
    assert (still["posts"], still["creators_of"]) == ([150, 151], [150, 151])
    moved = told("moved", before, reports, other, one)
    assert "post_reports_lift" in {one["feature"] for one in moved["behaviour"] if one["moved"]}
    assert {one["feature"] for one in moved["creators"] if one["moved"]} == {"creator_account_age"}
    out = sievert("drift", "hate", "--history", str(tmp_path / "moved"))[1]
    assert "Features of creators that moved: creator_account_age" in out
    assert "The history begins 23 days after the first window" in out
    code, _, err = sievert("drift", "hate", "--history", str(tmp_path / "moved"), "--hours", "720")
    assert (code, "has no post of one of both windows that is 720 hours old" in err) == (2, True)
