"""More than can be taken: who is turned away, how cheaply, and what memory may hold meanwhile."""

import asyncio
import contextlib
import dataclasses
import http.client
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Gauge

from open_loop import Elsewhere, ask_when_due, moments, request, stream_when_due
from running_server import NDJSON, ndjson, running
from sievert.errors import Overloaded
from sievert.serving import batch_stream, connections, micro_batch
from sievert.serving.batch_stream import BatchStream
from sievert.serving.micro_batch import MicroBatcher
from sievert.serving.spool import Spool, SpoolRoom
from sievert.serving.telemetry import Metrics
from sievert.serving.turning_away import SinglesAtTheDoor, is_whole
from sievert.serving.worker import Worker

POSTS = "/api/v1/posts"


def single(number, key="none"):
    return request("POST", POSTS, key, json.dumps({"id": f"s{number}", "text": "x"}).encode())


def refusing():
    raise Overloaded("Full.", retry_after=7)


class Held:
    """A server whose path stands still until it is let go."""

    def __init__(self, server, monkeypatch):
        journal, self.gate = server.doors.parts.journal, threading.Event()
        real = journal.record

        def slow(*args, **named):
            assert self.gate.wait(30)
            real(*args, **named)

        monkeypatch.setattr(journal, "record", slow)
        self.port = int(server.address.rsplit(":", 1)[1])


def raw_answer(port, sent):
    """Return status, headers and body that these bytes get."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as raw:
        raw.sendall(sent)
        answer = http.client.HTTPResponse(raw)
        answer.begin()
        return answer.status, answer.headers, json.loads(answer.read())


def until(holds):
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_singles_that_would_wait_too_long_are_told_when_to_return_and_the_others_are_answered(
    server, client, monkeypatch
):
    held = Held(server, monkeypatch)
    with ThreadPoolExecutor(2) as others:
        first = others.submit(raw_answer, held.port, single(1, server.key))
        until(lambda: server.doors.worker.waiting)
        second = others.submit(raw_answer, held.port, single(2, server.key))
        until(lambda: server.doors.batcher._pending)
        assert server.doors.batcher.refuse_if_full() is None
        monkeypatch.setattr(micro_batch, "MOST_SECONDS", 0.0)
        # Whole and plain, it is refused as bytes; in two pieces it is read, and refused like this too.
        whole = raw_answer(held.port, single(3, server.key))
        read = client.post(POSTS, json={"id": "s4", "text": "x"})
        monkeypatch.undo()
        held.gate.set()
        answered = [one.result(20) for one in (first, second)]
    status, headers, problem = whole
    assert (status, read.status_code) == (429, 429)
    assert int(headers["retry-after"]) >= 1
    assert int(read.headers["retry-after"]) >= 1
    assert problem == read.json()
    assert {name.lower() for name in read.headers} - {"date"} == {name.lower() for name in headers}
    assert [status for status, _, _ in answered] == [200, 200]
    assert client.post(POSTS, json={"id": "s3", "text": "x"}).status_code == 200
    page = server.doors.metrics.page().decode()
    assert 'sievert_problems_total{status="429",type="overloaded"} 2.0' in page


def test_a_connection_on_which_posts_were_turned_away_goes_on(server, monkeypatch):
    monkeypatch.setattr(server.doors.batcher._worker, "_capacity", 0)
    port = int(server.address.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), timeout=30) as raw:
        statuses = []
        for number in range(4):
            if number == 3:
                monkeypatch.undo()
            raw.sendall(single(number, server.key))
            answer = http.client.HTTPResponse(raw)
            answer.begin()
            answer.read()
            statuses.append(answer.status)
    assert statuses == [429, 429, 429, 200]


@given(st.binary(max_size=40), st.integers(0, 300))
def test_only_a_whole_plain_request_is_answered_unread(body, cut):
    door = SinglesAtTheDoor(refusing, Metrics())
    sent = request("POST", POSTS, "key", body)
    assert door(sent).startswith(b"HTTP/1.1 429 ")
    if cut < len(sent):
        assert door(sent[:cut]) is None
    assert door(sent + b"x") is None
    assert not is_whole(sent + sent)


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /api/v1/posts:batch HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        b"POST /api/v1/posts HTTP/1.0\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        b"POST /api/v1/posts HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /api/v1/posts HTTP/1.1\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /api/v1/posts HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        b"POST /api/v1/posts HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\nx",
        b"POST /api/v1/posts HTTP/1.1\r\nContent-Length : 1\r\n\r\nx",
        b"POST /api/v1/posts HTTP/1.1\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\nx",
        b"POST /api/v1/posts HTTP/1.1\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx",
    ],
)
def test_what_is_not_so_plain_goes_the_usual_way(sent):
    assert SinglesAtTheDoor(refusing, Metrics())(sent) is None


def test_while_there_is_room_nothing_is_answered_unread():
    assert SinglesAtTheDoor(lambda: None, Metrics())(single(1)) is None


def test_a_body_that_looks_like_a_request_is_a_body(server, monkeypatch):
    port = int(server.address.rsplit(":", 1)[1])
    inner = single(1, server.key)
    head, _, _ = request("POST", POSTS, server.key, inner).partition(inner)
    with socket.create_connection(("127.0.0.1", port), timeout=30) as raw:
        raw.sendall(head)
        time.sleep(0.3)  # so that they come in two pieces
        monkeypatch.setattr(server.doors.batcher._worker, "_capacity", 0)
        statuses = []
        for sent in (inner, single(2, server.key)):
            raw.sendall(sent)
            answer = http.client.HTTPResponse(raw)
            answer.begin()
            answer.read()
            statuses.append(answer.status)
            monkeypatch.undo()
    assert statuses == [429, 200]


def test_whoever_is_one_connection_too_many_and_has_asked_is_let_go_at_once(
    tmp_path, tiny_folder, monkeypatch
):
    monkeypatch.setattr(connections, "LINGER_SECONDS", 300.0)
    with running(tmp_path, tiny_folder, connections=16) as server, contextlib.ExitStack() as silent:
        place = ("127.0.0.1", int(server.address.rsplit(":", 1)[1]))
        for _ in range(16):
            silent.enter_context(socket.create_connection(place, timeout=30))
        with socket.create_connection(place, timeout=30) as raw:
            raw.sendall(single(1, server.key))
            answer = b""
            while piece := raw.recv(65536):
                answer += piece
            until(lambda: is_closed(raw))
    assert answer.startswith(b"HTTP/1.1 429 ")
    assert b"\r\nretry-after: 10\r\n" in answer


def is_closed(raw):
    """Tell whether the other side reads no more."""
    try:
        raw.sendall(b"x")
    except OSError:
        return True
    return False


def test_a_stream_that_finds_the_queue_full_is_told_when_to_return(tmp_path, tiny_folder):
    def full(records):
        raise Overloaded("The queue takes no more.", retry_after=5)

    with (
        running(tmp_path, tiny_folder, change=lambda doors: dataclasses.replace(doors, walk=full)) as server,
        server.client() as client,
    ):
        answer = client.post(f"{POSTS}:batch", content=ndjson({"id": "a", "text": "x"}), headers=NDJSON)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
    assert answer.json()["type"] == "urn:sievert:problem:overloaded"


def test_streams_read_less_ahead_the_more_of_them_are_open(monkeypatch):
    monkeypatch.setattr(batch_stream, "TOGETHER_BYTES", 16_000)
    line = b"x" * 99 + b"\n"

    async def read_ahead(streams):
        with contextlib.ExitStack() as others:
            room = SpoolRoom(1 << 20)
            for _ in range(streams):
                others.enter_context(Spool(room))
            return await read_in(room)

    async def read_in(room):
        given = 0

        async def receive():
            nonlocal given
            given += len(line)
            return {"type": "http.request", "body": line, "more_body": True}

        worker = Worker(capacity=10, gauge=Gauge("waiting", "x", registry=None))
        stream = BatchStream(
            receive,
            room=room,
            worker=worker,
            walk=list,
            metrics=Metrics(),
            draining=asyncio.Event(),
            admit=asyncio.Event().wait,
        )
        reading = asyncio.ensure_future(stream.read())
        for _ in range(2000):
            await asyncio.sleep(0)
        reading.cancel()
        worker.close()
        return given

    assert asyncio.run(read_ahead(1)) == 8_100  # of 8,000 without its line feeds
    assert asyncio.run(read_ahead(8)) == 1_100


def test_answers_in_memory_are_bounded_for_all_streams_together(monkeypatch):
    from sievert.serving import spool as spool_module

    monkeypatch.setattr(spool_module, "TOGETHER_BYTES", 1000)

    async def scenario():
        room = SpoolRoom(1 << 20)
        with contextlib.ExitStack() as stack:
            spools = [stack.enter_context(Spool(room)) for _ in range(10)]
            for spool in spools:
                for _ in range(10):
                    await spool.put(b"x" * 100)
            return sum(spool._held for spool in spools), sum(spool.on_disk for spool in spools)

    assert asyncio.run(scenario()) == (1000, 9000)


def test_a_late_batcher_refuses_by_the_age_of_whoever_waits_longest(monkeypatch):
    worker = Worker(capacity=100, gauge=Gauge("waiting", "x", registry=None))
    batcher = MicroBatcher(worker, list, capacity=100)
    now = [100.0]
    monkeypatch.setattr(micro_batch, "monotonic", lambda: now[0])

    async def scenario():
        waiting = [asyncio.ensure_future(batcher.submit(b"a"))]
        await asyncio.sleep(0)
        now[0] += micro_batch.MOST_SECONDS
        waiting.append(asyncio.ensure_future(batcher.submit(b"b")))
        await asyncio.sleep(0)
        now[0] += 0.1
        with pytest.raises(Overloaded) as raised:
            await asyncio.wait_for(batcher.submit(b"c"), 5)
        batcher.start()
        answers = await asyncio.gather(*waiting)
        batcher.refuse_if_full()  # nobody waits any more
        await batcher.close()
        worker.close()
        return answers, raised.value.retry_after

    assert asyncio.run(scenario()) == ([b"a", b"b"], 1)


class Silent:
    """A server that answers nothing before so many have asked."""

    def __init__(self, many):
        self.many, self.asked = many, 0
        self.enough = asyncio.Event()

    async def __call__(self, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        if self.asked >= self.many:
            self.enough.set()
        await self.enough.wait()
        writer.write(b"HTTP/1.1 429 Slow\r\nRetry-After: 3\r\nContent-Length: 2\r\n\r\nhm")
        await writer.drain()
        writer.close()


def test_an_open_loop_asks_when_it_is_due_whatever_became_of_those_before():
    async def scenario():
        silent = Silent(40)
        async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            sent = [request("GET", "/", "key")] * 40
            return await asyncio.wait_for(ask_when_due(port, sent, moments(40, 400), keep_bodies=True), 30)

    found = asyncio.run(scenario())
    assert found.status.tolist() == [429] * 40
    assert found.retry_after.tolist() == [3] * 40
    assert found.bodies == [b"hm"] * 40
    # Who was due first waited until the last was, and that counts.
    assert found.seconds[0] >= found.due[-1]


def test_an_open_body_answers_each_line_while_others_still_come(server):
    port = int(server.address.rsplit(":", 1)[1])
    lines = [json.dumps({"id": f"o{n}", "text": "x"}).encode() + b"\n" for n in range(60)]
    with Elsewhere() as loop:
        seconds, answers = loop.run(
            stream_when_due, port, server.key, f"{POSTS}:batch", lines, moments(60, 300)
        )
    assert [json.loads(one)["id"] for one in answers] == [f"o{n}" for n in range(60)]
    assert (seconds > 0).all()
