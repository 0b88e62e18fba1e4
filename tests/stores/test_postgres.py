"""What PostgreSQL must do beside the contracts: one writer at a time, one schema, and errors that say what to do."""

import threading
import time

import psycopg
import pytest
import sqlalchemy as sa

from contracts.records import label
from sievert.errors import ConfigurationError, MigrationNeeded, StoreCorrupt, StoreUnavailable
from sievert.schema.access import AuditNote
from sievert.stores.audit import SqlAuditLog
from sievert.stores.database import Database
from sievert.stores.journal import shared_tables
from sievert.stores.sql import SqlStores
from sievert.stores.tables import facts, metadata
from sievert.testing import FixedClock

pytestmark = pytest.mark.services


@pytest.fixture
def database(postgres):
    database = Database(postgres)
    yield database
    database.close()


def told(database, name):
    with database.reading() as connection:
        return connection.execute(sa.select(facts.c.value).where(facts.c.name == name)).scalar()


def test_migrations_make_what_the_code_speaks_of(database):
    with database.reading() as connection:
        inspector = sa.inspect(connection)
        for name, table in {**metadata.tables, **shared_tables.metadata.tables}.items():
            made = {
                (one["name"], one["type"].compile(connection.dialect), one["nullable"])
                for one in inspector.get_columns(name)
            }
            meant = {(one.name, one.type.compile(connection.dialect), one.nullable) for one in table.columns}
            spelled = {"FLOAT": "DOUBLE PRECISION"}
            assert made == {(a, spelled.get(kind, kind), c) for a, kind, c in meant}, name
            indexes = {
                one["name"] for one in inspector.get_indexes(name) if "duplicates_constraint" not in one
            }
            assert indexes == {one.name for one in table.indexes}, name


def test_processes_that_start_at_once_migrate_once(schemas):
    url = schemas.take()
    opened, errors = [], []

    def start():
        try:
            opened.append(Database(url))
        except Exception as error:  # noqa: BLE001  told below
            errors.append(error)

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len({database.seed() for database in opened}) == 1
    for database in opened:
        database.close()
    schemas.give_back(url)


def test_a_database_of_a_newer_release_is_refused(database, postgres):
    with database.writing() as connection:
        ours = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one()
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(MigrationNeeded, match="9999"):
        Database(postgres)
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = %s", (ours,))


def test_what_a_writer_reads_stays_true_until_it_ends(database, postgres):
    """Red where the advisory lock is not taken, and where a writer's state is as of before it waited."""
    other = Database(postgres)

    def count(mine, times):
        for _ in range(times):
            with mine.writing() as connection:
                found = connection.execute(sa.select(facts.c.value).where(facts.c.name == "n")).scalar()
                if found is None:
                    connection.execute(sa.insert(facts).values(name="n", value="1"))
                else:
                    fresh = {"value": str(int(found) + 1)}
                    connection.execute(sa.update(facts).where(facts.c.name == "n").values(fresh))

    threads = [threading.Thread(target=count, args=(one, 40)) for one in (database, other, database)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told(database, "n") == "120"
    other.close()


def test_a_reader_sees_one_state(database):
    """Red under READ COMMITTED."""
    query = sa.select(facts.c.value).where(facts.c.name == "n")
    with database.reading() as reader:
        assert reader.execute(query).scalar() is None
        with database.writing() as writer:
            writer.execute(sa.insert(facts).values(name="n", value="1"))
        assert reader.execute(query).scalar() is None
    assert told(database, "n") == "1"


def test_writers_of_other_schemas_do_not_wait(database, schemas):
    url = schemas.take()
    other = Database(url)
    with database.writing(), other.writing() as connection:
        connection.execute(sa.insert(facts).values(name="n", value="1"))
    other.close()
    schemas.give_back(url)


def test_a_writer_waits_so_long_and_then_says_what_to_do(database, postgres):
    impatient = Database(f"{postgres}%20-clock_timeout%3D200ms")
    with database.writing():
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match="lock timeout") as caught, impatient.writing():
            pytest.fail("two writers at once")
        assert time.monotonic() - began < 3
    assert "doctor" in caught.value.remedy
    with impatient.writing() as connection:
        connection.execute(sa.insert(facts).values(name="n", value="1"))
    impatient.close()


def backend_of(connection):
    return connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()


def end(postgres, backend):
    """Let the server end one connection, as it does when it restarts."""
    with psycopg.connect(postgres) as connection:
        connection.execute("SELECT pg_terminate_backend(%s)", (backend,))


def test_whoever_opens_what_is_up_to_date_waits_for_no_writer(database, postgres):
    with database.writing():
        Database(f"{postgres}%20-clock_timeout%3D100ms").close()


def test_connections_that_die_while_idle_are_replaced(database, postgres):
    """Red without the ping."""
    with database.reading() as connection:
        backend = backend_of(connection)
    end(postgres, backend)
    assert told(database, "n") is None
    with database.writing() as connection:
        assert backend_of(connection) != backend
        connection.execute(sa.insert(facts).values(name="n", value="1"))
    assert told(database, "n") == "1"


def test_nothing_stays_of_a_transaction_whose_connection_dies(database, postgres):
    def write_and_die():
        with database.writing() as connection:
            connection.execute(sa.insert(facts).values(name="n", value="1"))
            threading.Thread(target=end, args=(postgres, backend_of(connection))).start()
            connection.exec_driver_sql("SELECT pg_sleep(20)")

    with pytest.raises(StoreUnavailable, match="did not take the transaction"):
        write_and_die()
    assert told(database, "n") is None
    with database.writing() as connection:
        connection.execute(sa.insert(facts).values(name="n", value="2"))
    assert told(database, "n") == "2"


def test_a_server_that_is_not_there_is_told_without_the_password():
    with pytest.raises(StoreUnavailable) as caught:
        Database("postgresql://ann:hunter2@127.0.0.1:1/sievert")
    assert "hunter2" not in str(caught.value)
    assert "ann" in str(caught.value)
    assert "database_url" in caught.value.remedy


def test_what_is_no_address_is_refused():
    with pytest.raises(ConfigurationError, match="database_url"):
        Database("postgresql://host:port/name")


@pytest.mark.parametrize(
    "statement", ["UPDATE audit SET digest = 'x'", "DELETE FROM audit", "TRUNCATE audit"]
)
def test_postgres_itself_refuses_to_change_the_audit_log(database, statement):
    SqlAuditLog(database, clock=FixedClock()).append([AuditNote(actor="a", event="e", subject="s")])
    with pytest.raises(sa.exc.IntegrityError, match="append-only"), database.writing() as connection:
        connection.exec_driver_sql(statement)


def test_tampering_shows(database):
    log = SqlAuditLog(database, clock=FixedClock())
    log.append([AuditNote(actor="a", event="e", subject=str(i)) for i in range(3)])
    assert log.verify()[0] == 3
    with database.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE audit DISABLE TRIGGER USER")
        connection.exec_driver_sql("UPDATE audit SET record = 'x' WHERE sequence = 2")
        connection.exec_driver_sql("ALTER TABLE audit ENABLE TRIGGER USER")
    with pytest.raises(StoreCorrupt, match="cannot be read"):
        log.verify()


def test_several_processes_write_one_chain_of_audit(database, postgres):
    def write(name):
        mine = Database(postgres)
        log = SqlAuditLog(mine, clock=FixedClock())
        for i in range(20):
            log.append([AuditNote(actor=name, event="e", subject=str(i))])
        mine.close()

    threads = [threading.Thread(target=write, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert SqlAuditLog(database, clock=FixedClock()).verify()[0] == 60


def test_many_texts_are_forgotten(database):
    stores = SqlStores(database, clock=FixedClock())
    stores.keep_labels(tuple(label(n, text="t") for n in range(2100)))
    stores.labels.forget_texts(2**62)
    with database.reading() as connection:
        left = connection.exec_driver_sql(
            "SELECT count(*) FROM labels WHERE position('\"t\"'::bytea IN record) > 0"
        )
        assert left.scalar() == 0
