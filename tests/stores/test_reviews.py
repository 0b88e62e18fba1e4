"""Reviews: memory, SQLite and PostgreSQL keep one contract; claims hold across processes; old cases wait too."""

import collections
import contextlib
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from command_line import environment
from contracts.reviews import ReviewsContract, case, claim, settlement, verdict
from older_databases import back_to_0004
from sievert.errors import StoreUnavailable
from sievert.schema.access import AuditNote
from sievert.schema.batch import Effects
from sievert.stores.database import Database
from sievert.stores.embedded import EmbeddedStores
from sievert.stores.memory import MemoryStores
from sievert.stores.sql import SqlStores
from sievert.testing import FixedClock

CLAIMER = Path(__file__).parents[1] / "claimer.py"


class TestInMemory(ReviewsContract):
    @pytest.fixture
    def stores(self):
        return MemoryStores(clock=FixedClock())


class TestEmbedded(ReviewsContract):
    @pytest.fixture
    def stores(self, tmp_path):
        stores = EmbeddedStores(tmp_path / "data", clock=FixedClock())
        yield stores
        stores.close()


@pytest.mark.services
class TestPostgres(ReviewsContract):
    @pytest.fixture
    def stores(self, postgres):
        stores = SqlStores(Database(postgres), clock=FixedClock())
        yield stores
        stores.close()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.services)])
def place(request, tmp_path):
    """Where a database is: a file, or an address."""
    return tmp_path / "sievert.db" if request.param == "sqlite" else request.getfixturevalue("postgres")


def test_threads_of_several_processes_never_get_the_same_case(place):
    stores = SqlStores(Database(place), clock=FixedClock())
    stores.reviews.add(Effects(cases=tuple(case(f"c{i}") for i in range(300))))
    workers = [
        subprocess.Popen(
            [sys.executable, CLAIMER, str(place), f"w{i}"],
            stdout=subprocess.PIPE,
            text=True,
            env=environment(PYTHONPATH=":".join(sys.path)),
        )
        for i in range(3)
    ]
    lines = [line for worker in workers for line in worker.communicate()[0].splitlines()]
    stores.close()
    assert [worker.returncode for worker in workers] == [0, 0, 0]
    cases = collections.Counter(line.split()[0] for line in lines)
    numbers = collections.Counter(line.split()[1] for line in lines)
    assert len(cases) == len(numbers) == len(lines) == 300


def test_nothing_of_a_verdict_stays_if_what_follows_cannot_be_written(tmp_path):
    stores = EmbeddedStores(tmp_path, clock=FixedClock())
    stores.reviews.add(Effects(cases=(case("a"),)))
    claim(stores.reviews, "ann")
    note = AuditNote(actor="ann", event="e", subject="s")
    twice = Effects(cases=(case("a"),), audit=(note,))  # that case is there already
    with contextlib.suppress(Exception):
        stores.reviews.judge(verdict("a", "ann"), before=0, settlements=(settlement("a"),), effects=twice)
        pytest.fail("a case came twice")
    file = stores.reviews.case("a")
    assert (file.case.state, file.verdicts, file.settlement) == ("claimed", (), None)
    assert stores.audit.head()[0] == 0
    stores.reviews.judge(verdict("a", "ann"), before=0, settlements=(settlement("a"),))
    assert stores.reviews.case("a").case.state == "settled"
    stores.close()


def test_cases_of_an_older_release_wait_too(tmp_path):
    stores = EmbeddedStores(tmp_path, clock=FixedClock())
    before = case("old", priority=4.0)
    stores.reviews.add(Effects(cases=(before, case("odd", policy="minors"))))
    stores.close()
    with sqlite3.connect(tmp_path / "sievert.db") as connection:
        back_to_0004(connection)
    connection.close()
    stores = EmbeddedStores(tmp_path, clock=FixedClock())
    stores.reviews.add(Effects(cases=(case("new", priority=3.0), case("newer", priority=5.0))))
    assert [claim(stores.reviews, "ann").case_id for _ in range(3)] == ["newer", "old", "new"]
    assert claim(stores.reviews, "ann") is None
    stores.close()


def test_a_closed_disk_is_told(tmp_path, monkeypatch):
    stores = EmbeddedStores(tmp_path, clock=FixedClock())
    stores.close()
    (tmp_path / "sievert.db").write_bytes(b"no database" * 500)
    with pytest.raises(StoreUnavailable):
        claim(stores.reviews, "ann")
