"""Every store of activity keeps the contract, over both databases."""

import pytest
import sqlalchemy as sa

from contracts.activity import ActivityContract
from sievert.features.behaviour.counting import Role
from sievert.stores.activity.base import PostName, Subject
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

    def test_what_is_named_is_found_by_an_index(self, store):
        """Whoever asks for twenty names must not pay for all that are kept; red with `IN (VALUES ...)`."""
        asked = []
        engine = store._database.engine
        sa.event.listen(
            engine, "before_cursor_execute", lambda *given: asked.append((given[2], given[3])) or None
        )
        posts = [PostName("p", "a"), PostName("p", "b"), PostName("p", "a")]
        subjects = [Subject(Role.CREATOR, "p", "a"), Subject(Role.POST, "p", "b")]
        store.authors(posts)
        store.known([b"a", b"b"])
        store.reporters(posts)
        store.counts(subjects)
        store.facts(subjects)
        store.orphans(posts)
        queries = [one for one in asked if "activity_" in one[0]]
        assert len(queries) == 6
        with store._database.reading() as connection:
            for query, values in queries:
                plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", values).all()
                assert not any(step[3].startswith("SCAN activity_") for step in plan), (query, plan)


@pytest.mark.services
class TestActivityInPostgres(ActivityContract):
    @pytest.fixture
    def store(self, postgres):
        database = Database(postgres)
        yield EmbeddedActivity(database)
        database.close()
