"""A server in two parts: what comes in at one is decided at the other, once, or put aside with a reason."""

import asyncio
import contextlib
import dataclasses
import threading
import time

import msgspec
import pytest

from running_server import NDJSON, ndjson, running
from sievert.cli.doctor import _queue
from sievert.errors import StoreUnavailable
from sievert.schema.clock import SECOND, SystemClock
from sievert.schema.event import Views
from sievert.serving import consuming as consuming_module
from sievert.serving import queue as queue_module
from sievert.serving.consuming import Consumer
from sievert.serving.queue import DEAD, WORK, Queue
from sievert.serving.settings import Settings
from sievert.serving.wiring import open_doors, with_queue
from sievert.stores.journal.base import DecisionFilter

pytestmark = pytest.mark.services


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(queue_module, "ANSWER_SECONDS", 5.0)
    monkeypatch.setattr(queue_module, "ACK_SECONDS", 2.0)
    monkeypatch.setattr(consuming_module, "_RETRY_SECONDS", 0.05)
    monkeypatch.setattr(consuming_module, "_FETCH_SECONDS", 0.3)


@pytest.fixture
def api(nats, postgres, tmp_path, tiny_folder):
    with running(
        tmp_path / "api",
        tiny_folder,
        change=lambda doors: with_queue(doors, Queue(nats.url)),
        database_url=postgres,
        nats_url=nats.url,
    ) as server:
        yield server


@pytest.fixture
def doors(nats, postgres, tmp_path, tiny_folder):
    """The parts of a worker."""
    settings = Settings(
        data_folder=str(tmp_path / "worker"),
        bundle=str(tiny_folder),
        database_url=postgres,
        nats_url=nats.url,
    )
    made = open_doors(settings, clock=SystemClock())
    yield made
    made.close()


@contextlib.contextmanager
def working(nats, doors):
    """Run a worker in a thread."""
    queue = Queue(nats.url)
    consumer = Consumer(queue, doors)

    async def work():
        await queue.open()
        await consumer.run()
        await queue.close()

    thread = threading.Thread(target=lambda: asyncio.run(work()))
    thread.start()
    try:
        yield
    finally:
        consumer.stop()
        thread.join(30)
        assert not thread.is_alive()


def streams(nats):
    """Return how many messages wait, and the reasons of those that were put aside."""

    async def look():
        queue = Queue(nats.url)
        await queue.open()
        waiting = (await queue._stream.stream_info(WORK)).state.messages
        dead = (await queue._stream.stream_info(DEAD)).state.messages
        reasons = [
            (await queue._stream.get_msg(DEAD, seq=number)).headers["Sievert-Reason"]
            for number in range(1, dead + 1)
        ]
        await queue.close()
        return waiting, reasons

    return asyncio.run(look())


def test_what_one_takes_the_other_decides(nats, api, doors):
    posts = [{"id": f"p{i}", "text": "you blorp" if i % 5 == 0 else "a lovely morning"} for i in range(250)]
    bad = [{"id": "x", "text": 7}, {"id": "p0", "text": "something else"}]
    at = api.doors.clock.now() - SECOND
    with working(nats, doors), api.client() as client:
        single = client.post("/api/v1/posts", json=posts[0]).json()
        answer = client.post("/api/v1/posts:batch", content=ndjson(*posts, *bad), headers=NDJSON)
        lines = [msgspec.json.decode(line) for line in answer.content.splitlines()]
        assert lines[0] == single
        assert [one["id"] for one in lines[:250]] == [post["id"] for post in posts]
        assert [one["status"] for one in lines[250:]] == [422, 409]
        assert [one["line"] for one in lines[250:]] == [251, 252]
        events = [Views(id=f"v{n}", at=at, post_id="p1", count=2) for n in range(5)]
        told = client.post(
            "/api/v1/events", content=b"\n".join(map(msgspec.json.encode, events)), headers=NDJSON
        )
        assert [msgspec.json.decode(line)["counted"] for line in told.content.splitlines()] == [True] * 5
        found = client.get("/api/v1/decisions?limit=1000").json()["items"]
    assert len([one for one in found if one["trigger"] == "created"]) == 250
    assert streams(nats) == (0, [])


def test_without_a_worker_nothing_is_acknowledged_and_nothing_lost(nats, api, doors, monkeypatch):
    monkeypatch.setattr(queue_module, "ANSWER_SECONDS", 0.5)
    with api.client() as client:
        answer = client.post("/api/v1/posts", json={"id": "a", "text": "you blorp"})
        assert answer.status_code == 503
        assert "doctor" in answer.json()["remedy"]
        assert streams(nats)[0] == 1
        with working(nats, doors):
            deadline = time.monotonic() + 20
            while streams(nats)[0] and time.monotonic() < deadline:
                time.sleep(0.1)
            monkeypatch.setattr(queue_module, "ANSWER_SECONDS", 10)
            again = client.post("/api/v1/posts", json={"id": "a", "text": "you blorp"})
            assert again.status_code == 200
    assert len(doors.stores.journal.trail("default", "a")) == 1


def test_what_a_worker_took_with_it_goes_to_another(nats, api, doors):
    async def take_and_vanish():
        queue = Queue(nats.url)
        await queue.open()
        source = await queue.subscription()
        (message,) = await source.fetch(1, timeout=5)
        assert message.metadata.num_delivered == 1
        await queue._connection.close()

    vanished = threading.Thread(target=lambda: asyncio.run(take_and_vanish()))
    vanished.start()
    answers = []
    with api.client() as client:
        asking = threading.Thread(
            target=lambda: answers.append(client.post("/api/v1/posts", json={"id": "a", "text": "fine"}))
        )
        asking.start()
        vanished.join(20)
        with working(nats, doors):
            asking.join(20)
    assert answers[0].status_code == 200
    assert streams(nats) == (0, [])


def poisoned(doors, error):
    """A worker's parts over which one text is the end."""

    def walk(records):
        if any(b"zibble" in record for record in records):
            raise error
        return doors.walk(records)

    return dataclasses.replace(doors, walk=walk)


def test_a_poison_batch_is_put_aside_with_its_reason_and_its_neighbours_are_decided(nats, api, doors):
    bodies = [ndjson({"id": f"n{i}", "text": "fine"}) for i in range(3)]
    bodies.insert(1, ndjson({"id": "poison", "text": "zibble"}))
    answers = {}
    key = api.key

    def send(number):
        with api.client(key) as client:
            answers[number] = client.post("/api/v1/posts:batch", content=bodies[number], headers=NDJSON)

    with working(nats, poisoned(doors, ValueError("zibble was said"))):
        threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    told = [msgspec.json.decode(answers[number].content.splitlines()[0]) for number in range(4)]
    assert ["decision" in one for one in told] == [True, False, True, True]
    waiting, reasons = streams(nats)
    assert (waiting, reasons) == (0, ["ValueError"])  # and nothing of the text


def test_what_cannot_be_read_is_put_aside(nats, api, doors):
    async def send():
        queue = Queue(nats.url)
        await queue.open()
        await queue._stream.publish("sievert.work.posts", b"\xff nonsense", stream=WORK)
        await queue.close()

    asyncio.run(send())
    with working(nats, doors):
        deadline = time.monotonic() + 20
        while streams(nats)[0] and time.monotonic() < deadline:
            time.sleep(0.1)
    assert streams(nats) == (0, ["ValidationError"])


def test_while_the_database_is_away_nothing_is_put_aside(nats, api, doors):
    left = [9]

    def walk(records):
        if left[0]:
            left[0] -= 1
            raise StoreUnavailable("away")
        return doors.walk(records)

    with working(nats, dataclasses.replace(doors, walk=walk)), api.client() as client:
        assert client.post("/api/v1/posts", json={"id": "a", "text": "fine"}).status_code == 200
    assert left == [0]
    assert streams(nats) == (0, [])


def test_a_record_that_no_message_holds_is_decided_here(nats, api, doors):
    large = b'{"id":"large","text":"fine"' + b" " * 1_047_000 + b"}"
    with api.client() as client, working(nats, doors):
        body = b"\n".join(
            [ndjson({"id": "a", "text": "fine"}).rstrip(), large, ndjson({"id": "b", "text": "fine"})]
        )
        answer = client.post("/api/v1/posts:batch", content=body, headers=NDJSON)
        lines = [msgspec.json.decode(line) for line in answer.content.splitlines()]
    assert [one["id"] for one in lines] == ["a", "large", "b"]
    page = doors.stores.journal.decisions(DecisionFilter(), cursor=None, limit=9)
    assert sorted(one.post_id for one in page.items) == ["a", "b", "large"]


def test_doctor_sees_whether_workers_ask(nats, api, doors):
    without = _queue(doors.settings)
    assert (without.well, without.found) == (False, "0 batches wait, and no worker asks for more")
    with working(nats, doors):
        well = _queue(doors.settings)
    assert (well.well, well.found) == (True, "0 batches wait, workers ask for more")


def test_a_queue_that_is_not_there_is_told_without_its_password():
    queue = Queue("nats://ann:hunter2@127.0.0.1:1")
    with pytest.raises(StoreUnavailable) as caught:
        asyncio.run(queue.open())
    assert "hunter2" not in str(caught.value)
    assert "nats_url" in caught.value.remedy
