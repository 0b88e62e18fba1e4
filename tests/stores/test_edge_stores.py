"""Every store of edges keeps the contract, over both databases."""

import contextlib

import pytest

from contracts.edges import EdgesContract, edge
from sievert.stores.database import Database
from sievert.stores.edges import MemoryEdges, SqlEdges


class TestMemoryEdges(EdgesContract):
    @pytest.fixture
    def store(self):
        return MemoryEdges()


class TestSqliteEdges(EdgesContract):
    @pytest.fixture
    def store(self, tmp_path):
        with contextlib.closing(Database(tmp_path / "sievert.db")) as database:
            yield SqlEdges(database)

    def test_many_go_in_at_once(self, store):
        assert store.put([edge(str(number)) for number in range(1300)]) == 1300
        assert store.put([edge(str(number), until=9) for number in range(1300)]) == 1300
        assert len(store.changes(after=1300, limit=2000)) == 1300


@pytest.mark.services
class TestPostgresEdges(EdgesContract):
    @pytest.fixture
    def store(self, postgres):
        with contextlib.closing(Database(postgres)) as database:
            yield SqlEdges(database)
