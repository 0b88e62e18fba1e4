"""Webhooks, sent to a real receiver that checks every signature with the standard's own library."""

import asyncio
import contextlib
import json
import socket
import threading

import httpcore
import httpx
import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from listener import SECRET, Listener, until
from running_server import running
from sievert.schema.action import OutboxMessage
from sievert.schema.clock import SECOND
from sievert.serving import receivers
from sievert.serving.receivers import CheckedTransport
from sievert.serving.telemetry import Metrics
from sievert.serving.webhooks import JITTER, SCHEDULE, Receiver, WebhookDelivery
from sievert.stores.memory import MemoryStores
from sievert.testing import FixedClock

OTHER_SECRET = "whsec_" + "WFla" * 10


def test_actions_and_cases_arrive_signed_and_without_text(tmp_path, tiny_folder):
    with (
        Listener() as listener,
        running(tmp_path, tiny_folder, webhook_url=listener.url, webhook_secret=SECRET) as server,
        server.client() as client,
    ):
        client.post("/api/v1/posts", json={"id": "rude", "text": "you blorp"})
        until(lambda: len(listener.heard) >= 2)
        outbox = server.doors.stores.outbox
        until(lambda: outbox.counts() == {"pending": 0, "delivered": 2, "dead": 0})
        action = client.get("/api/v1/actions").json()["items"][0]
        case = client.get("/api/v1/cases").json()["items"][0]
    heard = {}
    for headers, body in listener.heard:
        message = Webhook(SECRET).verify(body, headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(OTHER_SECRET).verify(body, headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(body.replace(b"rude", b"kind"), headers)
        assert b"blorp" not in body
        heard[message["type"]] = message["data"]
    assert heard == {"action.performed": action, "case.opened": case}


def test_where_nobody_is_to_hear_no_message_is_written(tmp_path, tiny_folder):
    with running(tmp_path, tiny_folder) as server, server.client() as client:
        client.post("/api/v1/posts", json={"id": "rude", "text": "you blorp"})
        assert client.get("/api/v1/actions").json()["items"]
        assert server.doors.stores.outbox.counts() == {"pending": 0, "delivered": 0, "dead": 0}


def message(name="msg_1"):
    return OutboxMessage(message_id=name, kind="case.opened", created_at=0, body=b'{"type":"case.opened"}')


class Delivery:
    """A delivery over a memory outbox, whose clock stands still."""

    def __init__(self, url, *, attempts=3, schedule=(10.0, 100.0), timeout=2.0):
        self.clock = FixedClock()
        self.outbox = MemoryStores(clock=self.clock).outbox
        self.metrics = Metrics()
        self.delivery = WebhookDelivery(
            self.outbox,
            Receiver(url=url, secret=SECRET, attempts=attempts, schedule=schedule, timeout=timeout),
            clock=self.clock,
            metrics=self.metrics,
            uniform=lambda low, high: (low + high) / 2,
        )

    def once(self):
        async def go():
            async with httpx.AsyncClient(timeout=2.0, trust_env=False) as client:
                return await self.delivery.deliver_due(client)

        return asyncio.run(go())


def test_a_failed_message_is_tried_again_later_with_the_same_id_and_body():
    with Listener(500, 503) as listener:
        mine = Delivery(listener.url)
        mine.outbox.add((message(),))
        tried = []
        for _ in range(4):
            tried.append(mine.once())
            mine.clock.advance(9 * SECOND)
            tried.append(mine.once())
            mine.clock.advance(91 * SECOND)
        assert tried == [1, 0, 1, 0, 1, 0, 0, 0]
        assert {(headers["webhook-id"], body) for headers, body in listener.heard} == {
            ("msg_1", message().body)
        }
        assert mine.outbox.counts()["delivered"] == 1


@pytest.mark.parametrize("status", [302, 400, 404, 500])
def test_after_the_last_attempt_it_is_a_dead_letter_that_can_be_revived(status):
    with Listener(*[status] * 3) as listener:
        mine = Delivery(listener.url)
        mine.outbox.add((message(),))
        for _ in range(5):
            mine.once()
            mine.clock.advance(1000 * SECOND)
        assert len(listener.heard) == 3
        (dead,) = mine.outbox.dead(10)
        assert (dead.attempts, str(status) in dead.last_error) == (3, True)
        mine.outbox.revive("msg_1", mine.clock.now())
        assert mine.once() == 1
        assert mine.outbox.counts() == {"pending": 0, "delivered": 1, "dead": 0}


def test_a_receiver_that_is_not_there_loses_nothing():
    mine = Delivery("http://127.0.0.1:9/hook")
    mine.outbox.add((message("a"), message("b")))
    assert mine.once() == 2
    assert mine.outbox.counts()["pending"] == 2
    page = mine.metrics.page().decode()
    assert 'sievert_webhooks_total{result="failed"} 2.0' in page


def test_a_receivers_cookie_does_not_spoil_what_follows(tmp_path, tiny_folder):
    with Listener(500) as listener:
        listener.cookie = "\xff\xfe=\x80"
        mine = Delivery(listener.url)
        mine.outbox.add(tuple(message(f"msg_{number}") for number in range(4)))

        async def go():
            async with httpx.AsyncClient(timeout=2.0, trust_env=False) as client:
                for _ in range(3):
                    await mine.delivery.deliver_due(client)
                    mine.clock.advance(1000 * SECOND)

        asyncio.run(go())
        assert mine.outbox.counts() == {"pending": 0, "delivered": 4, "dead": 0}
        assert not any("cookie" in headers for headers, _ in listener.heard)


def test_a_receiver_that_never_comes_to_an_end_is_a_failed_attempt():
    stop = threading.Event()

    def drip(listening):
        connection, _ = listening.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nx-slow: ")
            while not stop.wait(0.1):
                try:
                    connection.sendall(b"a")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        dripping = threading.Thread(target=drip, args=(listening,))
        dripping.start()
        mine = Delivery(f"http://127.0.0.1:{listening.getsockname()[1]}/", timeout=0.4)
        mine.outbox.add((message(),))
        assert mine.once() == 1
        stop.set()
        dripping.join()
    assert mine.outbox.counts()["pending"] == 1
    assert mine.once() == 0


def test_a_receiver_that_redirects_inside_sends_nobody_anywhere():
    """The listed receiver is called; where it points, which is not listed, is not."""
    with Listener() as inside, Listener(302) as listener:
        listener.location = inside.url
        mine = Delivery(listener.url)
        mine.outbox.add((message(),))
        assert mine.once() == 1
        assert (len(listener.heard), inside.heard) == (1, [])
        assert "302" in mine.outbox.due(mine.clock.now() + 1000 * SECOND, 9)[0].last_error


def test_a_receiver_that_never_accepts_is_a_failed_attempt_and_others_messages_wait():
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        with contextlib.ExitStack() as stack:
            for _ in range(4):  # whatever the system queues for it
                one = stack.enter_context(socket.socket())
                one.setblocking(False)
                one.connect_ex(deaf.getsockname())
            mine = Delivery(f"http://127.0.0.1:{deaf.getsockname()[1]}/", timeout=0.3)
            mine.outbox.add((message(),))
            assert mine.once() == 1
    assert mine.outbox.counts() == {"pending": 1, "delivered": 0, "dead": 0}


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{port}/", "http://localhost:{port}/", "http://[::ffff:127.0.0.1]:{port}/"]
)
def test_a_receiver_inside_the_network_is_not_called_unless_it_is_listed(url):
    with Listener() as listener:
        mine = Delivery(url.format(port=listener.server.server_port))
        mine.outbox.add((message(),))

        async def go(*listed):
            transport = CheckedTransport(listed)
            async with httpx.AsyncClient(transport=transport, timeout=2.0) as client:
                return await mine.delivery.deliver_due(client)

        assert asyncio.run(go()) == 1
        assert listener.heard == []
        mine.clock.advance(1000 * SECOND)
        (waiting,) = mine.outbox.due(mine.clock.now(), 9)
        assert "webhook_private_hosts" in waiting.last_error
        if "::ffff" not in url:  # a mapped address is no way to write an own host
            assert asyncio.run(go(url.format(port=listener.server.server_port)[7:-1])) == 1
            assert [body for _, body in listener.heard] == [message().body]


def test_a_name_is_looked_up_for_each_connection_and_what_was_checked_is_called(monkeypatch):
    """A name that leads outside when it is checked, and inside a moment later, is called outside."""
    called, found = [], iter([["192.0.2.1"], ["10.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["8.8.8.8"]])
    monkeypatch.setattr(receivers, "look_up", lambda host, port: next(found))

    async def connect(self, host, port, **_):
        called.append(host)
        raise httpcore.ConnectError("nobody")

    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect)

    async def go():
        async with httpx.AsyncClient(transport=CheckedTransport(())) as client:
            for _ in range(4):
                with pytest.raises((receivers.NotPublic, httpcore.ConnectError)):
                    await client.post("http://hooks.example/")

    asyncio.run(go())
    assert called == ["8.8.8.8"]


def test_delays_grow_and_are_spread():
    mine = Delivery("http://x", schedule=SCHEDULE)
    delays = [mine.delivery.delay(attempt) / SECOND for attempt in range(1, 12)]
    assert delays == sorted(delays)
    assert delays[0] == SCHEDULE[0]
    assert delays[-1] == SCHEDULE[-1]
    assert 0 < JITTER < 1


def test_dead_letters_are_listed_and_sent_again_over_the_api(tmp_path, tiny_folder):
    with (
        Listener(500, 500) as listener,
        running(
            tmp_path, tiny_folder, webhook_url=listener.url, webhook_secret=SECRET, webhook_attempts=1
        ) as server,
        server.client() as client,
    ):
        client.post("/api/v1/posts", json={"id": "rude", "text": "you blorp"})
        until(lambda: len(client.get("/api/v1/webhooks/dead").json()["items"]) == 2)
        letters = client.get("/api/v1/webhooks/dead").json()["items"]
        for letter in letters:
            answer = client.post(f"/api/v1/webhooks/{letter['message_id']}:resend")
            assert answer.json() == {"message_id": letter["message_id"], "state": "pending"}
        until(lambda: server.doors.stores.outbox.counts()["delivered"] == 2)
        assert client.get("/api/v1/webhooks/dead").json()["items"] == []
        assert client.post("/api/v1/webhooks/msg_nothing:resend").status_code == 404
        assert client.post("/api/v1/webhooks/msg_nothing").status_code == 404
        events = [entry.event for entry in server.doors.stores.audit.entries()]
    assert events.count("webhook.resent") == 2
    ids = [headers["webhook-id"] for headers, _ in listener.heard]
    assert sorted(ids) == sorted(2 * [letter["message_id"] for letter in letters])
    assert {json.loads(body)["type"] for _, body in listener.heard} == {"action.performed", "case.opened"}
