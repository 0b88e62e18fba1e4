"""Two servers over one PostgreSQL, any of them killed at any moment: `benchmarks/crashes_scaled.py` does it often."""

import pytest

import own_postgres
from mixed_load import prepared, unsound
from services import missing
from shared_load import SharedLoad
from shared_load import own_postgres as run_postgres
from sievert.stores.shared import SharedStores

KILLS = 2


@pytest.mark.crash
@pytest.mark.services
@pytest.mark.timeout(600)
def test_whoever_is_killed_all_that_was_acknowledged_is_there_once(
    request, tmp_path, tiny_bundle, tiny_folder
):
    if not own_postgres.found():
        missing(request, "PostgreSQL", "its programs initdb and postgres are not in the path")
    with run_postgres() as postgres:
        at = {"open_stores": SharedStores, "place": postgres.url}
        policies, keys = prepared(tmp_path, tiny_bundle, **at)
        load = SharedLoad(tmp_path, tiny_folder, policies, keys, seed=12, postgres=postgres)
        load.round(kills=KILLS)
        assert unsound(load, tmp_path, **at) == [], load.killed
    assert load.posts  # something was acknowledged at all
    assert len(load.killed) == KILLS
