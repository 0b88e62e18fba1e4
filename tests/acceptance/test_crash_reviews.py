"""A real server is killed between a claim and a verdict, and while a verdict is on its way: nothing is lost or half done.

Whatever was acknowledged is there after the restart, with all that follows from it, once; what was not is
there whole or not at all, and the same verdict sent again settles it. Claims outlive the server.
"""

import collections
import contextlib
import http.client
import json
import random
import time

import pytest

from command_line import sievert
from killable_server import Killable
from sievert.schema.clock import SystemClock
from sievert.stores.embedded import EmbeddedStores

KILLS = 10


def ask(port, key, path, said):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        connection.request("POST", path, body=json.dumps(said), headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def send_and_kill(server, key, path, said, wait):
    """Kill the server while a request is on its way; return the answer if there was a whole one."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        connection.request("POST", path, body=json.dumps(said), headers=headers)
        time.sleep(wait)
        server.kill()
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


@pytest.mark.crash
@pytest.mark.timeout(600)
def test_a_kill_between_claim_and_verdict_loses_nothing(tmp_path, tiny_folder):
    rng = random.Random(5)
    folder = tmp_path / "data"
    server, key, acknowledged = Killable(folder, tiny_folder), None, {}
    key = server.admin_key()
    posts = [{"id": f"p{i}", "text": f"you blorp number {i}"} for i in range(KILLS + 5)]
    server.send(key, "/api/v1/posts:batch", b"".join(json.dumps(post).encode() + b"\n" for post in posts))
    for kill in range(KILLS):
        status, body = ask(server.port, key, "/api/v1/cases/claim", {})
        assert status == 200
        case_id = json.loads(body)["case"]["case_id"]
        path, said = f"/api/v1/cases/{case_id}/verdict", {"violates": []}
        if kill % 2:
            server.kill()
            answer = None
        else:
            answer = send_and_kill(server, key, path, said, rng.random() * 0.03)
        server = Killable(folder, tiny_folder)
        status, body = ask(server.port, key, path, said)  # the claim is still theirs, or the verdict stands
        assert status == 200
        if answer is not None:
            assert (200, body) == answer
        acknowledged[case_id] = body
        assert ask(server.port, key, path, {"violates": ["hate"]})[0] == 409
    server.kill()

    verified = sievert("audit", "verify", "--data", str(folder))
    assert verified.returncode == 0, verified.stderr

    stores = EmbeddedStores(folder, clock=SystemClock())
    with contextlib.closing(stores):
        settled = [one for _, one in stores.reviews.settlements()]
        assert [one.case_id for one in settled] == list(acknowledged)
        actions = stores.actions.list(limit=1000).items
        restored = collections.Counter(one.case_id for one in actions if one.kind == "restore")
        assert restored == dict.fromkeys(acknowledged, 1)
        labels = collections.Counter(one.post_id for one in stores.labels.list(limit=1000).items)
        assert labels == {one.post_id: 1 for one in settled}
        notes = [one for one in stores.audit.entries() if one.event == "case.settled"]
        assert [one.details["case"] for one in notes] == list(acknowledged)
        told = [
            one for one in stores.outbox.due(SystemClock().now() + 10**12, 1000) if b"restore" in one.body
        ]
        assert len(told) == KILLS
        counted = [one for _, one in stores.activity.log() if one.kind == "verdict"]
        assert len(counted) == KILLS
        states = collections.Counter(one.state for one in stores.cases.list(limit=1000).items)
        assert states == {"settled": KILLS, "open": 5}
