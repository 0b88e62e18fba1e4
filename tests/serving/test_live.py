"""The live stream: what watchers hear, and what happens to those who are slow or many."""

import asyncio
import itertools
import json
import time

import pytest

from running_server import NDJSON, ndjson, running
from sievert.errors import Overloaded
from sievert.serving.live import EVENTS_A_CLIENT, RECENT, LiveFeed, NotableDecision, Told
from sievert.serving.telemetry import Metrics
from sievert.stores.activity.base import PostName
from sievert.testing import FixedClock


def events(lines):
    """Yield (name, data) of server-sent events."""
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def test_a_watcher_hears_hello_then_decisions_and_counters(client):
    client.post("/api/v1/posts", json={"id": "before", "text": "you blorp"})
    with client.stream("GET", "/api/v1/stream") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        heard = events(stream.iter_lines())
        name, hello = next(heard)
        assert name == "hello"
        assert hello["bundle"].startswith("tiny@")
        assert [one["id"] for one in hello["recent"]] == ["before"]
        posts = [{"id": "rude", "text": "you blorp"}, {"id": "fine", "text": "good morning"}]
        client.post("/api/v1/posts:batch", content=ndjson(*posts), headers=NDJSON)
        seen = {}
        while set(seen) < {"decision", "counters"}:
            name, data = next(heard)
            seen[name] = data
    assert seen["decision"]["id"] == "rude"
    assert seen["decision"]["policy"] == "hate"
    assert "blorp" not in json.dumps(seen)
    assert [reason.split(":")[0] for reason in seen["decision"]["reasons"]] == [
        "harm",
        "hate",
        "hate",
        "hate",
    ]
    assert seen["counters"]["posts"] == 3
    assert seen["counters"]["outcomes"] == {"allow": 1, "demote": 0, "review": 2, "remove": 0}
    # Both wait for a person and are demoted meanwhile.
    assert seen["decision"]["demoted"]
    assert seen["counters"]["demoted"] == 2


def test_a_running_server_remembers_nobody_who_was_forgotten(server, client, monkeypatch):
    doors, theirs, other = server.doors, PostName("default", "theirs"), PostName("default", "other")
    let_go = []
    monkeypatch.setattr(doors.parts.anew, "forget_posts", let_go.append)
    monkeypatch.setattr(doors.parts.pictures, "forget_pictures", let_go.append)
    doors.by_bundle._found = [(1.0, theirs), (2.0, other)]
    for name, who in (("theirs", "ann"), ("other", "bob")):
        client.post("/api/v1/posts", json={"id": name, "text": "you blorp", "creator_id": who})
    asked = client.post("/api/v1/forgettings", json={"creator_id": "ann"}).json()
    while client.get(f"/api/v1/forgettings/{asked['forgetting_id']}").json()["state"] != "done":
        time.sleep(0.05)
    with client.stream("GET", "/api/v1/stream") as stream:
        _, hello = next(events(stream.iter_lines()))
    assert [one["id"] for one in hello["recent"]] == ["other"]
    assert let_go == [{theirs}, frozenset()]
    assert doors.by_bundle._found == [(2.0, other)]


def test_more_watchers_than_may_be_are_sent_away(tmp_path, tiny_folder):
    with (
        running(tmp_path / "data", tiny_folder, stream_clients=1) as server,
        server.client() as client,
        client.stream("GET", "/api/v1/stream") as first,
    ):
        watching = first.iter_lines()
        assert next(watching) == "event: hello"
        with client.stream("GET", "/api/v1/stream") as answer:
            assert answer.status_code == 429
        assert answer.headers["retry-after"]


def test_a_server_with_an_open_stream_still_ends(tmp_path, tiny_folder):
    with running(tmp_path / "data", tiny_folder) as server:
        client = server.client()
        stream = client.send(client.build_request("GET", "/api/v1/stream"), stream=True)
        watching = stream.iter_lines()
        assert next(watching) == "event: hello"
    # Leaving the block ended the server, with the stream open: it comes to an orderly end.
    assert not any(line.startswith("event: missed") for line in watching)
    stream.close()
    client.close()


def test_a_watcher_whose_key_is_revoked_is_let_go(server):
    text = server.new_key("decisions:read")
    with server.client(text) as client, client.stream("GET", "/api/v1/stream") as stream:
        heard = events(stream.iter_lines())
        assert next(heard)[0] == "hello"
        server.doors.stores.keys.revoke(text.split("_")[1], server.doors.clock.now())
        # The counters come each second: a stream that went on would bring ever more of them.
        assert len([*itertools.islice(heard, 20)]) < 20


async def admitted():
    """Stand in for a key that still opens what it opened."""


def decision(number):
    return NotableDecision(
        at=number, id=str(number), platform="p", decision="review", demoted=True, policy="hate",
        probability=0.5, language="english", stage="light", trigger="created", reasons=(),
    )  # fmt: skip


def feed(most=10):
    return LiveFeed(bundle="b", policy_set="p", clock=FixedClock(), metrics=Metrics(), most_watchers=most)


def test_who_reads_too_slowly_loses_the_oldest_and_is_told():
    async def scenario():
        live = feed()
        stream = live.watch(admitted)
        await anext(stream)
        for number in range(EVENTS_A_CLIENT + 7):
            live._tell("decision", decision(number))
        first = await anext(stream)
        second = await anext(stream)
        await stream.aclose()
        return first, second

    first, second = asyncio.run(scenario())
    assert json.loads(first.split(b"data: ")[1]) == {"missed": 7}
    assert json.loads(second.split(b"data: ")[1])["id"] == "7"


def test_nobody_hears_of_whoever_is_forgotten():
    async def scenario():
        live = feed()
        stream = live.watch(admitted)
        await anext(stream)
        notable = [decision(number) for number in range(3)]
        live.decided(Told(outcomes={"review": 3}, demoted=3, anew=0, asked_anew=0, notable=notable))
        live.forget_posts({PostName("p", "1"), PostName("elsewhere", "2")})
        late = live.watch(admitted)
        hello, queued = await anext(late), [await anext(stream), await anext(stream)]
        await late.aclose()
        await stream.aclose()
        return hello, queued

    hello, queued = asyncio.run(scenario())
    assert [one["id"] for one in json.loads(hello.split(b"data: ")[1])["recent"]] == ["0", "2"]
    assert [json.loads(one.split(b"data: ")[1])["id"] for one in queued] == ["0", "2"]


def test_a_flood_of_notable_decisions_is_counted_and_not_sent():
    async def scenario():
        live = feed()
        stream = live.watch(admitted)
        await anext(stream)
        notable = [decision(number) for number in range(500)]
        live.decided(Told(outcomes={"review": 500}, demoted=500, anew=0, asked_anew=0, notable=notable))
        (watcher,) = live._watchers
        await stream.aclose()
        return len(watcher.events), live.counters().posts, len(live._recent)

    assert asyncio.run(scenario()) == (50, 500, RECENT)


def test_a_place_is_free_again_when_a_watcher_leaves():
    async def scenario():
        live = feed(most=1)
        stream = live.watch(admitted)
        await anext(stream)
        with pytest.raises(Overloaded):
            live.watch(admitted)
        await stream.aclose()
        await live.watch(admitted).aclose()

    asyncio.run(scenario())


def test_a_second_is_one_of_those_who_watch_whatever_the_injected_clock_says():
    async def scenario():
        live = feed()  # its clock stands still
        stream = live.watch(admitted)
        await anext(stream)
        live.start()
        live.decided(Told(outcomes={"allow": 100}, demoted=0, anew=7, asked_anew=2, notable=[]))
        event = await anext(stream)
        await stream.aclose()
        await live.close()
        return json.loads(event.split(b"data: ")[1])

    counters = asyncio.run(scenario())
    assert 0 < counters["per_second"] < 101
    assert (counters["anew"], counters["asked_anew"]) == (7, 2)
