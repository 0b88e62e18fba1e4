"""Servers, workers, PostgreSQL and NATS, killed at any moment: often in `benchmarks/crashes_scaled.py`."""

import pytest

import own_nats
import own_postgres
from mixed_load import prepared, unsound
from services import missing
from shared_load import QueuedLoad
from shared_load import own_nats as run_nats
from shared_load import own_postgres as run_postgres
from sievert.stores.shared import SharedStores

KILLS = 2


@pytest.mark.crash
@pytest.mark.services
@pytest.mark.timeout(600)
def test_whoever_is_killed_all_that_was_acknowledged_is_there_once(
    request, tmp_path, tiny_bundle, tiny_folder
):
    if not (own_postgres.found() and own_nats.found()):
        missing(request, "PostgreSQL or NATS", "initdb, postgres or nats-server is not in the path")
    with run_postgres() as postgres, run_nats() as nats:
        at = {"open_stores": SharedStores, "place": postgres.url}
        policies, keys = prepared(tmp_path, tiny_bundle, **at)
        load = QueuedLoad(tmp_path, tiny_folder, policies, keys, seed=12, postgres=postgres, nats=nats)
        load.round(kills=KILLS)
        assert unsound(load, tmp_path, **at) == [], load.killed
    assert load.posts  # something was acknowledged at all
    assert len(load.killed) == KILLS
