"""Everything at once, killed at any moment, over and over: `benchmarks/crashes.py` does it two hundred times."""

import pytest

from mixed_load import Load, prepared, unsound

KILLS = 3


@pytest.mark.crash
@pytest.mark.timeout(600)
def test_after_every_kill_all_that_was_acknowledged_is_there_once(tmp_path, tiny_bundle, tiny_folder):
    policies, keys = prepared(tmp_path, tiny_bundle)
    load = Load(tmp_path, tiny_folder, policies, keys, seed=11)
    for kill in range(KILLS):
        load.round()
        assert unsound(load, tmp_path) == [], f"after kill {kill + 1}"
    assert load.posts  # something was acknowledged at all
    assert load.verdicts
