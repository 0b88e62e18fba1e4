"""Attacks on a real server that may remove, in small; `benchmarks/attacks.py` measures them in a whole town."""

import collections
import contextlib
import http.client
import json

import pytest

from killable_server import Killable
from mixed_load import POLICY, prepared
from sievert.schema.clock import SystemClock
from sievert.stores.embedded import EmbeddedStores

FLOOD = 30
ALONE = FLOOD // 6


@pytest.mark.timeout(600)
def test_what_attacks_divert_is_in_the_queue_and_nothing_is_removed_twice(tmp_path, tiny_bundle, tiny_folder):
    policy = POLICY.replace("removals_flood: 100000", f"removals_flood: {FLOOD}")
    policies, keys = prepared(tmp_path, tiny_bundle, policy=policy)
    server = Killable(tmp_path / "data", tiny_folder, SIEVERT_POLICIES=str(policies))
    key = keys["admin"][0]

    def ask(path, said=None):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        with contextlib.closing(connection):
            headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
            body = None if said is None else json.dumps(said)
            connection.request("GET" if body is None else "POST", path, body=body, headers=headers)
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            return json.loads(answer.read())

    def post(name, texts):
        posts = [{"id": f"{name}{n}", "text": text} for n, text in enumerate(texts)]
        body = b"".join(json.dumps(one).encode() + b"\n" for one in posts)
        answers = [json.loads(line) for line in server.send(key, "/api/v1/posts:batch", body)]
        return collections.Counter(one["decision"] for one in answers)

    # A harmless text that the model takes for harmful, quoted by everybody.
    assert post("copy", ["they said blorp"] * 60) == {"remove": ALONE, "review": 60 - ALONE}
    # The hash of what everybody posts stands in a bank: fewer see some, until the entry is in quarantine.
    meme = "a lovely morning to everybody who reads this in the town by the river today"
    rule = {"name": "BAD", "kind": "harmful", "policy": "hate", "flood_per_hour": 10}
    ask("/api/v1/banks", rule)
    ask("/api/v1/banks/BAD/entries", {"entries": [{"signal": "text", "text": meme}]})
    said = post("meme", [meme] * 40)
    assert said["remove"] == 0
    assert said["allow"] >= 40 - 11
    # Everything that comes is suddenly sure to be harmful. What its shadow would have removed is usual.
    (quota,) = [one for one in ask("/api/v1/quotas")["items"] if one["policy"] == "hate"]
    room, count = quota["flood"] - 1 - ALONE, quota["flood"] + 40
    assert FLOOD <= quota["flood"] < 200
    said = post("mad", [f"blorp {n}" for n in range(count)])
    assert said == {"remove": room, "review": count - room}
    server.kill()

    with contextlib.closing(EmbeddedStores(tmp_path / "data", clock=SystemClock())) as stores:
        stores.audit.verify()
        assert [one.policy for one in stores.stops.running()] == ["hate"]
        actions = stores.actions.list(limit=1000).items
        removed = collections.Counter(one.post_id for one in actions if one.kind == "remove")
        assert removed.total() == quota["flood"] - 1
        assert set(removed.values()) == {1}
        cases = {one.post_id for one in stores.cases.list(limit=1000).items if one.kind == "decision"}
        assert len({one for one in cases if one.startswith("copy")}) == 60 - ALONE
        assert len({one for one in cases if one.startswith("mad")}) == count - room
        told = [
            json.loads(one.body)["data"]["action_id"]
            for one in stores.outbox.due(1 << 62, 1 << 20)
            if one.kind == "action.performed"
        ]
        assert len(told) == len(set(told))
        assert {one.action_id for one in actions if not one.post_id.startswith("bad")} <= set(told)
