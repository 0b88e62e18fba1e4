"""A server that is killed again and again while it takes back what has expired: nothing is taken back twice."""

import sqlite3
import time

import msgspec

from contracts.enforcement import action
from killable_server import Killable
from sievert.schema.action import Action
from sievert.schema.batch import Effects
from sievert.schema.clock import SystemClock
from sievert.stores.embedded import EmbeddedStores

MANY = 1500


def test_after_a_kill_nothing_is_taken_back_twice_and_nothing_is_forgotten(tmp_path, tiny_folder):
    folder = tmp_path / "data"
    stores = EmbeddedStores(folder, clock=SystemClock())
    ends = SystemClock().now()
    expired = tuple(action(f"a{n}", post=f"p{n}", kind="demote", expires_at=ends) for n in range(MANY))
    stores.perform(Effects(actions=expired))
    stores.close()
    seen = []
    for target in (1, MANY // 4, MANY // 2, MANY):
        server = Killable(folder, tiny_folder)
        end = time.monotonic() + 200
        while len(_restores(folder)) < target:
            assert time.monotonic() < end
            time.sleep(0.01)
        server.kill()
        seen.append(len(_restores(folder)))
    assert 0 < seen[0] < MANY  # it was killed in the middle
    restores = _restores(folder)
    assert len(restores) == len({one.undoes for one in restores}) == MANY
    assert {one.by for one in restores} == {"sievert"}
    stores = EmbeddedStores(folder, clock=SystemClock())
    told = stores.outbox.due(SystemClock().now() + 10**12, 2 * MANY)
    notes = [one for one in stores.audit.entries(limit=2 * MANY) if one.event == "action.restore"]
    assert len(told) == len(notes) == MANY  # a message and a note for each, and no more
    stores.close()


def _restores(folder):
    with sqlite3.connect(folder / "sievert.db") as connection:
        rows = connection.execute("SELECT record FROM actions WHERE kind = 'restore'").fetchall()
    connection.close()
    return [msgspec.json.decode(row[0], type=Action) for row in rows]
