"""Posts over a real socket: answers, repeats, conflicts, streams, and what bad input hears."""

import http.client
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from running_server import NDJSON, ndjson, open_stream, send_chunk
from sievert.schema.sentinel import SENTINEL
from sievert.serving.batch_stream import MOST_EMPTY
from sievert.stores.journal.base import MOST_OF_A_TRAIL

POSTS = "/api/v1/posts"
BATCH = "/api/v1/posts:batch"
JSON = {"Content-Type": "application/json"}


def test_one_post_is_answered_with_its_decision(client):
    answer = client.post(POSTS, json={"id": "a", "text": f"hi {SENTINEL}", "platform": "demo"})

    assert answer.status_code == 200
    said = answer.json()
    assert said["decision"] == "review"
    assert said["stage"] == "sentinel"
    assert said["policies"]["sentinel"] == 1.0
    assert said["bundle"].startswith("tiny@")
    assert {reason["rule"] for reason in said["reasons"]} == {"review", "demote"}


def test_the_same_again_is_answered_the_same_and_recorded_once(client):
    for text in ("a lovely morning", "you blorp"):
        first = client.post(POSTS, json={"id": text, "text": text})
        again = client.post(POSTS, json={"id": text, "text": text})
        assert first.content == again.content
        assert len(client.get(f"{POSTS}/{text}").json()["decisions"]) == 1
    assert len(client.get("/api/v1/cases").json()["items"]) == 1


def test_other_content_under_the_same_revision_is_a_conflict(client):
    client.post(POSTS, json={"id": "a", "text": "one"})
    answer = client.post(POSTS, json={"id": "a", "text": "two"})

    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["field"] == "revision"
    assert client.post(POSTS, json={"id": "a", "text": "two", "revision": 1}).status_code == 200
    assert [one["revision"] for one in client.get(f"{POSTS}/a").json()["decisions"]] == [0, 1]


@pytest.mark.parametrize("name", ["a/b", "a//b", "a b", "ä?x=1#y", "%2F", "a:batch", "..", "x/../y", "x/"])
def test_any_id_can_be_asked_for_again(client, name):
    from urllib.parse import quote

    assert client.post(POSTS, json={"id": name, "text": "hello"}).status_code == 200
    connection = http.client.HTTPConnection(client.base_url.host, client.base_url.port, timeout=10)
    connection.request(
        "GET", f"{POSTS}/{quote(name, safe='')}", headers={"Authorization": client.headers["authorization"]}
    )
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    assert json.loads(answer.read())["id"] == name
    connection.close()


def test_the_text_of_a_plainly_allowed_post_is_not_kept(client):
    client.post(POSTS, json={"id": "fine", "text": "a lovely morning"})
    client.post(POSTS, json={"id": "rude", "text": "you blorp"})

    assert client.get(f"{POSTS}/fine").json()["post"] is None
    assert client.get(f"{POSTS}/rude").json()["post"]["text"] == "you blorp"


def test_a_long_trail_is_cut_to_its_newest_decisions_and_says_so(client):
    revisions = [{"id": "a", "text": "x", "revision": number} for number in range(MOST_OF_A_TRAIL + 5)]
    client.post(BATCH, content=ndjson(*revisions[:MOST_OF_A_TRAIL]), headers=NDJSON)
    whole = client.get(f"{POSTS}/a").json()
    client.post(BATCH, content=ndjson(*revisions), headers=NDJSON)
    cut = client.get(f"{POSTS}/a").json()

    assert (len(whole["decisions"]), whole["truncated"]) == (MOST_OF_A_TRAIL, False)
    assert cut["truncated"]
    assert [one["revision"] for one in cut["decisions"]] == [*range(5, MOST_OF_A_TRAIL + 5)]
    assert client.get(f"{POSTS}/a", params={"revision": 2}).json()["truncated"] is False


def test_a_post_that_never_came_is_not_found(client):
    answer = client.get(f"{POSTS}/nobody")
    assert answer.status_code == 404
    assert "nobody" in answer.json()["detail"]


BAD = {
    "invalid UTF-8": b'{"id":"a","text":"\xff\xfe"}',
    "a lone surrogate": b'{"id":"a","text":"\\ud800"}',
    "NUL": b'{"id":"a","text":"x\\u0000y"}',
    "10 MB of text": b'{"id":"a","text":"' + b"x" * (10 << 20) + b'"}',
    "text over the limit": b'{"id":"a","text":"' + b"x" * (65 << 10) + b'"}',
    "deeply nested JSON": b'{"id":"a","text":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "deeply nested and unknown": b'{"id":"a","extra":' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}",
    "a wrong type": b'{"id":"a","text":5}',
    "an unknown field": b'{"id":"a","text":"x","txet":"y"}',
    "no id": b'{"text":"x"}',
    "a long id": b'{"id":"' + b"i" * 200 + b'"}',
    "half a record": b'{"id":"a","te',
    "no JSON": b"hello",
    "nothing": b"",
    "a list": b"[1,2]",
    "a naive time": b'{"id":"a","created_at":"2026-01-01T00:00:00"}',
}


def test_bad_posts_get_a_problem_that_names_field_and_remedy(client, golden):
    told = []
    for name, body in BAD.items():
        answer = client.post(POSTS, content=body, headers=JSON)
        assert answer.headers["content-type"] == "application/problem+json", name
        problem = answer.json()
        assert problem["status"] == answer.status_code
        assert 400 <= answer.status_code < 500
        assert problem["remedy"], name
        told.append(
            f"{name}\n  {problem['status']} {problem['type']}: {problem['title']}\n"
            f"  field: {problem['field']}\n  {problem['detail']}\n  {problem['remedy']}\n"
        )
    golden("bad_posts.txt", "\n".join(told))
    assert client.get("/api/v1/decisions").json()["items"] == []


def test_bad_lines_get_their_error_and_the_rest_goes_on(client):
    lines = []
    for number, body in enumerate(BAD.values()):
        lines += [json.dumps({"id": f"good-{number}", "text": "fine"}).encode(), body]
    answer = client.post(BATCH, content=b"\n".join(lines), headers=NDJSON)

    assert answer.status_code == 200
    said = [json.loads(line) for line in answer.content.splitlines()]
    assert len(said) == len(lines)
    for place, (line, one) in enumerate(zip(lines, said, strict=True), start=1):
        if line.startswith(b'{"id": "good'):
            assert one["id"] == json.loads(line)["id"]
        else:
            assert one["type"].startswith("urn:sievert:problem:")
            assert one["line"] == place
            assert one["status"] >= 400


def test_a_line_cut_in_half_by_a_client_that_leaves_is_not_taken(server, client):
    body = ndjson({"id": "whole", "text": "x"}) + b'{"id":"half","text":"it ends he'
    with socket.create_connection((client.base_url.host, client.base_url.port)) as raw:
        head = (
            f"POST {BATCH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.key}\r\n"
            f"Content-Type: application/x-ndjson\r\nContent-Length: {len(body) + 500}\r\n\r\n"
        )
        raw.sendall(head.encode() + body)
        said = b""
        while b'"whole"' not in said:
            piece = raw.recv(65536)
            assert piece, "the server closed before it answered the whole line"
            said += piece
    assert client.get(f"{POSTS}/whole").status_code == 200
    assert client.get(f"{POSTS}/half").status_code == 404


def test_answers_come_while_the_body_is_still_being_sent(server, client):
    connection = open_stream(client)
    answer = None
    for name in ("first", "second", "third"):
        send_chunk(connection, ndjson({"id": name, "text": "x"}))
        if answer is None:
            answer = connection.response_class(connection.sock, method="POST")
            answer.begin()
        assert json.loads(answer.readline())["id"] == name
    send_chunk(connection, b"")
    assert answer.read() == b""
    answer.close()
    connection.close()


def test_a_stream_whose_key_is_revoked_ends(server, client):
    text = server.new_key("posts:write")
    with server.client(text) as other:
        connection = open_stream(other)
        send_chunk(connection, ndjson({"id": "early", "text": "x"}))
        answer = connection.response_class(connection.sock, method="POST")
        answer.begin()
        assert json.loads(answer.readline())["id"] == "early"
        server.doors.stores.keys.revoke(text.split("_")[1], server.doors.clock.now())
        time.sleep(1.1)  # for so long a key that was found is remembered
        send_chunk(connection, ndjson({"id": "late", "text": "x"}))
        problem = json.loads(answer.readline())
        assert (problem["status"], problem["line"]) == (401, 2)
        assert "not read" in problem["detail"]
        assert answer.read() == b""
        answer.close()
        connection.close()
    assert client.get(f"{POSTS}/early").status_code == 200
    assert client.get(f"{POSTS}/late").status_code == 404


def test_line_feeds_alone_do_not_buy_answers_without_end(client):
    answer = client.post(BATCH, content=b"\n" * (10 * MOST_EMPTY), headers=NDJSON)
    said = answer.content.splitlines()
    assert len(said) <= MOST_EMPTY + 1
    last = json.loads(said[-1])
    assert (last["status"], last["line"]) == (400, len(said))
    assert "not read" in last["detail"]
    assert {json.loads(line)["status"] for line in said} == {400}


def test_a_large_stream_keeps_its_order_and_its_count(client):
    posts = [{"id": f"p{number}", "text": f"post number {number}"} for number in range(12_345)]
    answer = client.post(BATCH, content=ndjson(*posts), headers=NDJSON)

    assert [json.loads(line)["id"] for line in answer.content.splitlines()] == [post["id"] for post in posts]


def test_an_empty_stream_has_an_empty_answer(client):
    answer = client.post(BATCH, content=b"", headers=NDJSON)
    assert answer.status_code == 200
    assert answer.content == b""


def test_many_at_once_are_decided_together(server):
    with server.client() as client, ThreadPoolExecutor(32) as several:
        answers = list(
            several.map(
                lambda number: client.post(POSTS, json={"id": f"p{number % 150}", "text": "hello"}),
                range(300),
            )
        )
        assert {answer.status_code for answer in answers} == {200}
        page = client.get("/api/v1/decisions", params={"limit": 1000}).json()
        metrics = client.get("/metrics").text
    assert sorted({one["post_id"] for one in page["items"]}) == sorted(f"p{number}" for number in range(150))
    assert len(page["items"]) == 150
    batches = float(
        next(line for line in metrics.splitlines() if line.startswith("sievert_batch_posts_count")).split()[1]
    )
    assert batches < 150


@pytest.mark.parametrize(
    ("headers", "field"),
    [
        ({"Content-Type": "text/csv"}, "Content-Type"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, "Content-Type"),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, "Content-Encoding"),
    ],
)
def test_a_body_of_another_kind_is_refused(client, headers, field):
    answer = client.post(POSTS, content=b'{"id":"a"}', headers=headers)
    assert answer.status_code == 415
    assert answer.json()["field"] == field


def test_when_too_much_waits_callers_are_told_when_to_return(tmp_path, tiny_folder, monkeypatch):
    from running_server import running

    with running(tmp_path / "data", tiny_folder, queue_posts=256) as server, server.client() as client:
        journal = server.doors.parts.journal
        gate, real = threading.Event(), journal.record

        def slow(*args, **named):
            assert gate.wait(20)
            real(*args, **named)

        monkeypatch.setattr(journal, "record", slow)
        posts = [{"id": f"p{number}", "text": "x"} for number in range(600)]
        with ThreadPoolExecutor(1) as other:
            waiting = other.submit(client.post, BATCH, content=ndjson(*posts), headers=NDJSON)
            _until(lambda: server.doors.worker.full)
            refused = [
                client.post(POSTS, json={"id": "late", "text": "x"}),
                client.post(BATCH, content=ndjson({"id": "late"}), headers=NDJSON),
            ]
            unready = client.get("/ready")
            gate.set()
            done = waiting.result(20)
        for answer in refused:
            assert answer.status_code == 429
            assert int(answer.headers["retry-after"]) >= 1
        assert unready.status_code == 503
        assert unready.json()["reasons"] == ["queue full"]
        assert len(done.content.splitlines()) == 600
        assert client.post(POSTS, json={"id": "late", "text": "x"}).status_code == 200
        assert client.get("/ready").status_code == 200


def test_when_nothing_can_be_recorded_nothing_is_acknowledged(server, client, monkeypatch):
    from sievert.errors import StoreUnavailable

    def full(*_args, **_named):
        raise StoreUnavailable("The disk is full.", remedy="Free space.")

    with monkeypatch.context() as patch:
        patch.setattr(server.doors.parts.journal, "record", full)
        for answer in (
            client.post(POSTS, json={"id": "a", "text": "x"}),
            client.post(BATCH, content=ndjson({"id": "a", "text": "x"}), headers=NDJSON),
        ):
            assert answer.status_code == 503
            assert answer.json()["remedy"] == "Free space."
    assert client.get(f"{POSTS}/a").status_code == 404
    assert client.post(POSTS, json={"id": "a", "text": "x"}).json()["decision"] == "allow"


def test_a_stream_that_is_refused_ends_although_its_body_does_not(server, client, monkeypatch):
    from sievert.errors import StoreUnavailable
    from sievert.serving.spool import Spool

    ended, real = threading.Event(), Spool.__exit__

    def noting(*args):
        real(*args)
        ended.set()

    def full(*_args, **_named):
        raise StoreUnavailable("The disk is full.", remedy="Free space.")

    monkeypatch.setattr(Spool, "__exit__", noting)
    monkeypatch.setattr(server.doors.parts.journal, "record", full)
    connection = open_stream(client)
    send_chunk(connection, ndjson({"id": "a", "text": "x"}))
    answer = connection.getresponse()
    assert answer.status == 503
    answer.close()
    assert ended.wait(10)
    connection.close()


@pytest.mark.parametrize("start", [b"GET /", b"GET /health HTTP/1.1\r\nHost: x\r\nx-a: "])
def test_an_endless_request_line_or_header_is_cut_off(client, start):
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=10) as raw:
        raw.sendall(start)
        with pytest.raises(OSError, match=r"reset|[Bb]roken"):
            raw.sendall(b"a" * (25 << 20))
    assert client.get("/health").status_code == 200


def test_a_fault_of_ours_is_told_without_its_inside(server, client, monkeypatch, caplog):
    def broken(*_args, **_named):
        raise ZeroDivisionError("secret words of a post")

    monkeypatch.setattr(server.doors.parts.journal, "find", broken)
    answer = client.post(POSTS, json={"id": "a", "text": "secret words of a post"})
    assert answer.status_code == 500
    assert answer.json()["type"] == "urn:sievert:problem:internal"
    assert "secret" not in answer.text
    assert "ZeroDivisionError" in caplog.text
    assert "secret" not in caplog.text


def _until(true, seconds=10.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)
