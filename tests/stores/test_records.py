"""Actions, cases, outbox, keys, people and audit: memory and both databases keep the same contracts."""

import contextlib
import hashlib
import sqlite3
import threading

import msgspec
import pytest
import sqlalchemy as sa

from command_line import sievert
from contracts.enforcement import (
    DelayedContract,
    GroundsContract,
    LimitsContract,
    StandingContract,
    StopsContract,
    action,
)
from contracts.people import PeopleContract
from contracts.records import (
    AuditContract,
    KeysContract,
    LabelsContract,
    OutboxContract,
    RecordsContract,
    label,
)
from older_databases import back_to_0004, without_post_columns
from sievert.errors import MigrationNeeded, StoreCorrupt, StoreUnavailable
from sievert.schema.access import AuditNote
from sievert.schema.action import ActionState
from sievert.schema.batch import Effects
from sievert.schema.post import PostKey
from sievert.stores.audit import REDACTED, SqlAuditLog
from sievert.stores.database import Database
from sievert.stores.embedded import EmbeddedStores
from sievert.stores.journal.shared import SharedJournal
from sievert.stores.memory import MemoryStores
from sievert.stores.sql import SqlStores
from sievert.stores.tables import metadata
from sievert.testing import FixedClock

CONTRACTS = {
    "cases": RecordsContract,
    "labels": LabelsContract,
    "outbox": OutboxContract,
    "keys": KeysContract,
    "people": PeopleContract,
    "audit": AuditContract,
    "standing": StandingContract,
    "stops": StopsContract,
    "delayed": DelayedContract,
    "limits": LimitsContract,
    "grounds": GroundsContract,
}


class _Performing:
    @pytest.fixture
    def perform(self, stores):
        return lambda **effects: stores.perform(Effects(**effects))


class InMemory(_Performing):
    @pytest.fixture
    def stores(self):
        return MemoryStores(clock=FixedClock())

    @pytest.fixture
    def add(self, store):
        return store.add


class InSql(_Performing):
    @pytest.fixture
    def add(self, stores, store):
        def put(records):
            with stores.database.writing() as connection:
                store.add(connection, records)

        return put


class Embedded(InSql):
    @pytest.fixture
    def stores(self, tmp_path):
        stores = EmbeddedStores(tmp_path / "data", clock=FixedClock())
        yield stores
        stores.close()


class Postgres(InSql):
    pytestmark = pytest.mark.services

    @pytest.fixture
    def stores(self, postgres):
        # As one process has them; what more there is where there are several stands in `test_shared_journal.py`.
        stores = SqlStores(Database(postgres), clock=FixedClock())
        stores.journal = SharedJournal(stores.database, apply=stores._consequences.write)
        yield stores
        stores.close()


def _suite(name, contract, kind):
    def store(self, stores):
        return getattr(stores, name)

    return type(f"Test{kind.__name__}{name.title()}", (kind, contract), {"store": pytest.fixture(store)})


for _name, _contract in CONTRACTS.items():
    for _kind in (InMemory, Embedded, Postgres):
        _made = _suite(_name, _contract, _kind)
        globals()[_made.__name__] = _made


def test_every_store_is_under_contract():
    suites = [name for name in globals() if name.startswith(("TestInMemory", "TestEmbedded", "TestPostgres"))]
    assert len(suites) == 3 * len(CONTRACTS) == 33


@pytest.fixture
def audited(tmp_path):
    stores = EmbeddedStores(tmp_path, clock=FixedClock())
    stores.audit.append([AuditNote(actor="a", event="e", subject=str(i)) for i in range(5)])
    yield stores
    stores.close()


def test_sqlite_itself_refuses_to_change_the_audit_log(audited):
    for statement in ("UPDATE audit SET digest = 'x'", "DELETE FROM audit"):
        with (
            pytest.raises(sa.exc.IntegrityError, match="append-only"),
            audited.database.engine.begin() as connection,
        ):
            connection.execute(sa.text(statement))


def test_two_processes_may_write_to_the_audit_log_at_once(audited, tmp_path):
    def write(name):
        database = Database(tmp_path / "sievert.db")
        log = SqlAuditLog(database, clock=FixedClock())
        for i in range(25):
            log.append([AuditNote(actor=name, event="e", subject=str(i))])
        database.close()

    threads = [threading.Thread(target=write, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert audited.audit.verify()[0] == 55


def test_a_log_that_grows_meanwhile_is_not_called_altered(audited, tmp_path):
    stop = threading.Event()

    def write():
        database = Database(tmp_path / "sievert.db")
        log = SqlAuditLog(database, clock=FixedClock())
        while not stop.is_set():
            log.append([AuditNote(actor="a", event="e", subject="x")])
        database.close()

    writer = threading.Thread(target=write)
    writer.start()
    heads = [audited.audit.verify()[0] for _ in range(200)]
    stop.set()
    writer.join()
    assert heads == sorted(heads)
    assert heads[-1] > heads[0]


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ('UPDATE audit SET record = replace(record, \'"subject":"2"\', \'"subject":"9"\')', "entry 3"),
        ("DELETE FROM audit WHERE sequence = 2", "entry 2"),
        ("DELETE FROM audit WHERE sequence = 5", "should end at entry 5"),
        ("UPDATE audit SET record = 'x' WHERE sequence = 1", "cannot be read"),
        ("UPDATE audit_head SET sequence = 4", "should end at entry 4"),
        (
            "UPDATE audit_head SET sequence = 4, digest = (SELECT digest FROM audit WHERE sequence = 4)",
            "should end at entry 4",
        ),
    ],
)
def test_tampering_shows(audited, tmp_path, statement, says):
    with sqlite3.connect(tmp_path / "sievert.db") as connection:
        for verb in ("update", "delete"):
            connection.execute(f"DROP TRIGGER audit_no_{verb}")
        connection.execute(statement)
    connection.close()
    with pytest.raises(StoreCorrupt, match=says):
        audited.audit.verify()


def emptied_by_hand(log, path, sequence, **said):
    """Empty a line as whoever has the file can; return the hash of what is left."""
    entry = msgspec.structs.replace(log.entries(after=sequence - 1, limit=1)[0], **said)
    left = {"subject": "", "details": {}, **said}
    record = msgspec.json.encode(msgspec.structs.replace(entry, **left, digest="", redacted=True))
    with contextlib.closing(sqlite3.connect(path / "sievert.db")) as connection, connection:
        connection.execute("DROP TRIGGER audit_no_update")
        connection.execute("UPDATE audit SET record = ? WHERE sequence = ?", (record, sequence))
    return {str(sequence): hashlib.sha256(record).hexdigest()}


@pytest.mark.parametrize(
    ("before", "subject", "holds"),
    [
        ([("creator.forget_asked", "g_1")], "g_1", True),
        ([], "g_1", False),  # nobody asked
        ([("creator.forget_asked", "g_1")], "g_2", False),  # for somebody else
        ([("creator.forget_asked", "g_1"), ("creator.forgotten", "g_1")], "g_1", False),  # it is over
    ],
)
def test_a_line_is_emptied_for_a_forgetting_that_goes_on_and_for_nothing_else(
    audited, tmp_path, before, subject, holds
):
    log = audited.audit
    told = emptied_by_hand(log, tmp_path, 3, actor="person:innocent", event="nothing.at_all", at=1)
    for event, about in before:
        log.append([AuditNote(actor="a", event=event, subject=about)])
    log.append([AuditNote(actor="a", event=REDACTED, subject=subject, details=told)])
    if holds:
        assert log.walked() == (log.head(), {"g_1": 1})
        said = sievert("audit", "verify", "--data", tmp_path)
        assert b"1 of them emptied for the forgetting g_1" in said.stdout, said.stderr
        return
    with pytest.raises(StoreCorrupt, match="entry 3 was emptied, and no later one tells"):
        log.verify()


def test_a_line_that_is_emptied_says_nothing_new(audited, tmp_path):
    log = audited.audit
    told = emptied_by_hand(log, tmp_path, 3, subject="default/somebody")
    for event, details in (("creator.forget_asked", {}), (REDACTED, told)):
        log.append([AuditNote(actor="a", event=event, subject="g_1", details=details)])
    with pytest.raises(StoreCorrupt, match="entry 3 is said to be emptied, and says something"):
        log.verify()


def test_migrations_make_what_the_code_speaks_of(tmp_path):
    database = Database(tmp_path / "sievert.db")
    with database.reading() as connection:
        inspector = sa.inspect(connection)
        made = {
            table: {one["name"] for one in inspector.get_columns(table)}
            for table in inspector.get_table_names()
        }
    del made["alembic_version"]
    assert made == {name: {one.name for one in table.columns} for name, table in metadata.tables.items()}
    with database.reading() as connection:
        assert connection.execute(sa.text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(sa.text("PRAGMA synchronous")).scalar() == 2
    database.close()


def test_a_database_of_the_first_schema_gets_what_came_later_and_keeps_what_it_has(tmp_path):
    stores = EmbeddedStores(tmp_path, clock=FixedClock())
    stores.audit.append([AuditNote(actor="a", event="e", subject="kept")])
    stores.close()
    with sqlite3.connect(tmp_path / "sievert.db") as connection:
        came_later = (
            "labels",
            "activity_",
            "bank",
            "picture",
            "standing",
            "stops",
            "delayed",
            "account_",
            "review_",
            "guardrail",
            "people",
            "sessions",
            "edges",
            "forgettings",
        )
        later = [name for name in metadata.tables if name.startswith(came_later)]
        assert len(later) == 37
        without_post_columns(connection, tables=("actions", "cases"))
        for name in later:
            connection.execute(f"DROP TABLE {name}")
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    connection.close()
    stores = EmbeddedStores(tmp_path, clock=FixedClock())
    stores.keep_labels((label(0),))
    assert stores.labels.list().items == [label(0)]
    assert [entry.subject for entry in stores.audit.entries()] == ["kept"]
    stores.close()


def test_what_was_done_before_there_was_a_table_for_it_can_be_taken_back(tmp_path):
    stores = EmbeddedStores(tmp_path, clock=FixedClock())
    stores.perform(Effects(actions=(action("a1"), action("a2", kind="demote", post="q"))))
    stores.close()
    with sqlite3.connect(tmp_path / "sievert.db") as connection:
        back_to_0004(connection)
    connection.close()
    stores = EmbeddedStores(tmp_path, clock=FixedClock())
    assert stores.standing.find("a1") == ActionState(action("a1"))
    assert [one.action_id for one in stores.standing.automatic("hate", 0, limit=9)] == ["a1", "a2"]
    assert PostKey("default", "q", 0) in stores.standing.about([PostKey("default", "q", 0)])
    stores.close()


def test_a_database_of_a_newer_release_is_refused(tmp_path):
    Database(tmp_path / "sievert.db").close()
    with sqlite3.connect(tmp_path / "sievert.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(MigrationNeeded, match="9999"):
        Database(tmp_path / "sievert.db")


def test_what_is_no_database_is_refused(tmp_path):
    (tmp_path / "sievert.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(StoreUnavailable, match="not a database"):
        Database(tmp_path / "sievert.db")


def test_the_seed_is_this_stores_own_and_stays(tmp_path):
    one, other = Database(tmp_path / "a.db"), Database(tmp_path / "b.db")
    assert one.seed() == one.seed() != other.seed()
    one.close()
    other.close()
