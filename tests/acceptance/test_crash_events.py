"""A real server is killed while events come in: what it acknowledged counts exactly once, and decides once.

After each restart everything is sent again that was sent before, acknowledged or not, cut into other
batches. At the end the counters must say what the distinct events say, and each trigger's level must
have called for one decision.
"""

import contextlib
import http.client
import json
import random
import threading
from collections import Counter

import pytest

from killable_server import Killable
from sievert.features.behaviour.counting import Count, Role
from sievert.schema.clock import SECOND, SystemClock
from sievert.stores.activity.base import Subject
from sievert.stores.embedded import EmbeddedStores

KILLS = 8
POSTS = [f"post-{number}" for number in range(6)]


def event(number, rng):
    post = rng.choice(POSTS)
    at = SystemClock().now() - SECOND
    base = {"id": f"e{number}", "at": at, "post_id": post}
    if number % 3:
        return {"kind": "views", **base, "count": rng.randrange(1, 3)}
    return {"kind": "report", **base, "actor_id": f"reader-{number}"}


def ndjson(records):
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def batches(records, rng):
    while records:
        size = rng.randrange(1, 40)
        yield records[:size]
        records = records[size:]


def send_until_killed(server, key, records, rng):
    """Send batches; kill the server while one of the first is on its way."""
    deadly = rng.randrange(2, 6)
    killer = threading.Timer(rng.random() * 0.03, server.kill)
    with contextlib.suppress(OSError, http.client.HTTPException):
        for number, some in enumerate(batches(records, rng)):
            if number == deadly:
                killer.start()
            lines = server.send(key, "/api/v1/events", ndjson(some))
            assert all(b'"counted"' in line for line in lines)
    killer.join()


@pytest.mark.crash
@pytest.mark.timeout(600)
def test_what_a_killed_server_acknowledged_counts_exactly_once(tmp_path, tiny_folder):
    rng = random.Random(5)
    folder = tmp_path / "data"
    key, sent, number = None, [], 0
    for run in range(KILLS):
        server = Killable(folder, tiny_folder)
        key = key or server.admin_key()
        if run == 0:
            posts = [{"id": post, "text": "a lovely morning", "creator_id": "ann"} for post in POSTS]
            server.send(key, "/api/v1/posts:batch", ndjson(posts))
        fresh = [event(number + i, rng) for i in range(150)]
        number += len(fresh)
        sent += fresh
        again = rng.sample(sent, len(sent))
        send_until_killed(server, key, [*fresh, *again], rng)
    server = Killable(folder, tiny_folder)
    assert len(server.send(key, "/api/v1/events", ndjson(sent))) == len(sent)
    server.kill()

    stores = EmbeddedStores(folder, clock=SystemClock())
    expected = Counter()
    for one in sent:
        expected[one["post_id"], Count.VIEWS if one["kind"] == "views" else Count.REPORTS] += one.get(
            "count", 1
        )
    found = Counter()
    for post in POSTS:
        reading = stores.activity.counts([Subject(Role.POST, "default", post)])
        for counter, amounts in zip(reading.counter.tolist(), reading.amounts.tolist(), strict=True):
            if counter in {Count.VIEWS, Count.REPORTS}:
                found[post, Count(counter)] += amounts[0]
    assert found == expected
    ann = stores.activity.counts([Subject(Role.CREATOR, "default", "ann")])
    total = ann.amounts[ann.counter == Count.VIEWS, 0].sum()
    assert total == sum(count for (_, counter), count in expected.items() if counter == Count.VIEWS)
    decisions = [
        (one.post_id, one.decision_id) for post in POSTS for one in stores.journal.trail("default", post)
    ]
    assert len(decisions) == len(set(decisions)) > 2 * len(POSTS)
    cases = [case.post_id for case in stores.cases.list(limit=1000).items]
    actions = [action.post_id for action in stores.actions.list(limit=1000).items]
    assert len(cases) == len(set(cases))
    assert len(actions) == len(set(actions)) > 0
    stores.close()
