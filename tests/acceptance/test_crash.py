"""A real server is killed at any moment, over and over: what it acknowledged is decided exactly once.

Half of the kills hit a stream of NDJSON, half hit single posts. After each restart everything that
was ever acknowledged must be in the list once; sent again, it must get the very bytes that it got
the first time.
"""

import http.client
import json
import random
import time

import pytest

from killable_server import Killable
from sievert.schema.clock import SystemClock
from sievert.stores.embedded import EmbeddedStores
from sievert.stores.journal.base import DecisionFilter

KILLS = 60
TEXTS = ("a lovely morning", "you blorp", "win a cruise", "доброе утро", "see you at the harbour")


def connect(port, key, path, *, chunked):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.putrequest("POST", path)
    connection.putheader("Authorization", f"Bearer {key}")
    connection.putheader("Content-Type", "application/x-ndjson" if chunked else "application/json")
    if chunked:
        connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders()
    return connection


def stream_until_killed(server, key, run, rng, acknowledged):
    """Send batches in one stream, each when the one before was answered; kill in the middle of one."""
    connection = connect(server.port, key, "/api/v1/posts:batch", chunked=True)
    deadly = rng.randrange(1, 5)
    answer = None
    try:
        for batch in range(100):
            posts = [
                {"id": f"{run}-{batch}-{i}", "text": f"{rng.choice(TEXTS)} {i}"}
                for i in range(rng.randrange(1, 60))
            ]
            body = b"".join(json.dumps(post).encode() + b"\n" for post in posts)
            connection.send(b"%x\r\n%s\r\n" % (len(body), body))
            if batch == deadly:
                time.sleep(rng.random() * 0.02)
                server.kill()
            if answer is None:
                answer = connection.response_class(connection.sock, method="POST")
                answer.begin()
            for post in posts:
                line = answer.readline()
                if not line.endswith(b"\n"):
                    return
                acknowledged[post["id"]] = (post, line)
    except (OSError, http.client.HTTPException):
        pass
    finally:
        if answer is not None:
            answer.close()
        connection.close()


def singles_until_killed(server, key, run, rng, acknowledged):
    """Send single posts; kill while one is on its way."""
    deadly = rng.randrange(1, 8)
    for number in range(100):
        post = {"id": f"{run}-s-{number}", "text": rng.choice(TEXTS)}
        body = json.dumps(post).encode()
        connection = connect(server.port, key, "/api/v1/posts", chunked=False)
        connection.putheader("Content-Length", str(len(body)))
        try:
            connection.endheaders(body)
            if number == deadly:
                time.sleep(rng.random() * 0.006)
                server.kill()
            answer = connection.getresponse()
            acknowledged[post["id"]] = (post, answer.read() + b"\n")
        except (OSError, http.client.HTTPException):
            return
        finally:
            connection.close()


def resend(server, key, posts):
    """Send posts as one NDJSON stream; return the answer's lines."""
    body = b"".join(json.dumps(post).encode() + b"\n" for post in posts)
    return server.send(key, "/api/v1/posts:batch", body)


def recorded(server, key):
    """Return the ids of all decided posts, in the order of the list."""
    found, cursor = [], ""
    while cursor is not None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        path = f"/api/v1/decisions?limit=1000{cursor and f'&cursor={cursor}'}"
        connection.request("GET", path, headers={"Authorization": f"Bearer {key}"})
        page = json.loads(connection.getresponse().read())
        connection.close()
        found += [one["post_id"] for one in page["items"]]
        cursor = page["cursor"]
    return found


@pytest.mark.crash
@pytest.mark.timeout(900)
def test_what_a_killed_server_acknowledged_is_decided_exactly_once(tmp_path, tiny_folder):
    rng = random.Random(20)
    acknowledged = {}
    folder = tmp_path / "data"
    key = None
    for run in range(KILLS):
        server = Killable(folder, tiny_folder)
        key = key or server.admin_key()
        # Looked at before anything is sent again: sending again would mend what was lost.
        there = recorded(server, key)
        assert len(there) == len(set(there)), f"decided twice after kill {run}"
        assert set(acknowledged) <= set(there), f"lost after kill {run}"
        known = list(acknowledged.values())
        some = known if run % 10 == 9 else rng.sample(known, min(len(known), 100))
        again = resend(server, key, [post for post, _ in some])
        assert again == [line for _, line in some], f"after kill {run}"
        if run % 2:
            singles_until_killed(server, key, run, rng, acknowledged)
        else:
            stream_until_killed(server, key, run, rng, acknowledged)
        if server.process.returncode is None:
            server.kill()
    server = Killable(folder, tiny_folder)
    assert resend(server, key, [post for post, _ in acknowledged.values()]) == [
        line for _, line in acknowledged.values()
    ]
    server.kill()
    assert len(acknowledged) > 10 * KILLS

    stores = EmbeddedStores(folder, clock=SystemClock())
    decided, cursor = {}, None
    while True:
        page = stores.journal.decisions(DecisionFilter(), cursor=cursor, limit=5000)
        for one in page.items:
            assert one.post_id not in decided, "decided twice"
            decided[one.post_id] = one
        cursor = page.cursor
        if cursor is None:
            break
    assert set(acknowledged) <= set(decided)
    # Nothing that a decision sets in motion is missing, and nothing comes twice.
    cases = [one.decision_id for one in stores.cases.list(limit=100_000).items]
    actions = [one.decision_id for one in stores.actions.list(limit=100_000).items]
    queued = [one.decision_id for one in decided.values() if one.outcome == "review"]
    demoted = [
        one.decision_id for one in decided.values() if any(reason.rule == "demote" for reason in one.reasons)
    ]
    assert sorted(cases) == sorted(queued)
    assert sorted(actions) == sorted(demoted)
    assert len(actions) > 50
    assert sum(stores.outbox.counts().values()) == len(cases) + len(actions)
    entries, _ = stores.audit.verify()
    assert entries == len(actions) + 1
    stores.close()
