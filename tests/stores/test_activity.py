"""Both stores of activity keep the contract."""

import pytest

from contracts.activity import ActivityContract
from sievert.stores.activity.embedded import EmbeddedActivity
from sievert.stores.activity.memory import MemoryActivity
from sievert.stores.database import Database


class TestMemoryActivity(ActivityContract):
    @pytest.fixture
    def store(self):
        return MemoryActivity()


class TestEmbeddedActivity(ActivityContract):
    @pytest.fixture
    def store(self, tmp_path):
        database = Database(tmp_path / "sievert.db")
        yield EmbeddedActivity(database)
        database.close()
